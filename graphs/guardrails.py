"""Guards what goes into a graph and what comes out of it: personal data, secrets, and what a page would load.

Personal data is found and treated by LangChain's `PIIMiddleware`, whose detectors and strategies these are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from langchain.agents.middleware import AgentMiddleware, PIIDetectionError, PIIMiddleware
from langchain.agents.middleware.types import AgentState
from langchain_core.messages import HumanMessage
from markdown_it import MarkdownIt

from motet.graphs.outgoing import Outgoing, Searched
from motet.observability.trajectory.redact import without_secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A text after its guard."""

    text: str
    """Fit to go on; for a refusal, what is said to the person instead."""
    redacted: Sequence[str] = ()
    """What was taken out, each once: `secret`, `image`, `html`, or a kind of personal data."""
    refused: bool = False
    """Whether the turn ends here, with `text` as its answer."""


class Guard:
    """An installation's rules, from a kind of personal data to a strategy of LangChain's.

    Without rules only secrets, images and HTML are looked for.
    """

    def __init__(self, rules: Mapping[str, str]) -> None:
        self._rules = [_rule(kind, strategy) for kind, strategy in rules.items()]
        # Only the ends of a turn can refuse it in words; in between, what they block is redacted.
        self._between = {kind: "redact" if strategy == "block" else strategy for kind, strategy in rules.items()}

    def guard_in(self, text: str) -> Guarded:
        """A person's own words as models may read them; the thread keeps them as they were written."""
        clean = without_secrets(text)
        return self._without_personal_data(
            Guarded(text=clean, redacted=() if clean == text else ("secret",)),
            lambda kind: (
                f"Your message holds personal data of the kind {kind.replace('_', ' ')}, which isn't accepted here. "
                "Nothing was done with it; please ask again without it."
            ),
        )

    def guard_out(self, text: str, *, asked: str = "") -> Guarded:
        """An answer as a person may see it, whatever shows it: no image is loaded and no HTML is rendered.

        An image's address carries what a document's author wants to be told to whoever serves it. What
        stands word for word in `asked`, the person's question, stays, and so does code.
        """
        clean = without_secrets(text)
        found = [] if clean == text else ["secret"]

        def spoiled(match: re.Match[str]) -> str:
            if match.groupdict().get("code") is not None or match.group() in asked:
                return match.group()
            if match["image"] is not None:
                found.append("image")
                return f"(image left out: {match['alt']})" if match["alt"] else "(image left out)"
            found.append("html")
            return f"\u2039{match['tag'][1:].removesuffix('>')}\u203a"

        spared = _CODE_OR_LOADED.sub(spoiled, clean)
        # Where code ends depends on lists, tables and lines before; what a renderer sees otherwise spares no code.
        clean = _LOADED.sub(spoiled, clean) if _loads(spared) else spared
        return self._without_personal_data(
            Guarded(text=clean, redacted=tuple(dict.fromkeys(found))),
            lambda kind: f"The answer held personal data of the kind {kind.replace('_', ' ')} and was withheld.",
        )

    @property
    def middleware(self) -> Sequence[AgentMiddleware[Any, Any, Any]]:
        """For a `create_agent` specialist: input, tools' results and output under the same rules.

        What `block` forbids is redacted there; an exception in the middle of an agent would be a crash.
        """
        return [
            PIIMiddleware(kind, strategy=cast("Any", strategy), apply_to_output=True, apply_to_tool_results=True)
            for kind, strategy in self._between.items()
        ]

    def outgoing(self) -> Outgoing | None:
        """What redacts one run's stream; None where there is nothing to look for."""
        rules = [_rule(kind, strategy) for kind, strategy in self._between.items()]
        return (
            Outgoing(lambda text: _applied(rules, text)[0], _searched(tuple(self._between.items()))) if rules else None
        )

    def state_out(self, values: Any) -> Any:
        """A state, as JSON, as a run's stream would tell it."""
        outgoing = self.outgoing()
        return values if outgoing is None else outgoing.value(values)

    def _without_personal_data(self, before: Guarded, refusal: Callable[[str], str]) -> Guarded:
        try:
            text, kinds = _applied(self._rules, before.text)
        except PIIDetectionError as error:
            return Guarded(text=refusal(error.pii_type), redacted=(*before.redacted, error.pii_type), refused=True)
        return Guarded(text=text, redacted=(*before.redacted, *kinds))


@cache
def _searched(_rules: tuple[tuple[str, str], ...]) -> Searched:
    """What runs of this process looked through by these rules: a history is searched once, not at each turn."""
    return Searched()


@cache
def _rule(kind: str, strategy: str) -> PIIMiddleware[Any, Any]:
    """Each is made once: it keeps nothing of what it looked through."""
    return PIIMiddleware(kind, strategy=cast("Any", strategy))


def _applied(rules: Sequence[PIIMiddleware[Any, Any]], text: str) -> tuple[str, list[str]]:
    """`text` after all rules, and the kinds that were found.

    Raises:
        PIIDetectionError: a rule says `block`.
    """
    kinds: list[str] = []
    for rule in rules:
        if rule.detector(text):
            update = rule.before_model(cast("AgentState[Any]", {"messages": [HumanMessage(text)]}), cast("Any", None))
            assert update is not None
            text = str(update["messages"][0].content)
            kinds.append(rule.pii_type)
    return text, kinds


def _loads(text: str) -> bool:
    """Whether a renderer of Markdown makes an image or HTML of something in `text`."""
    tokens = _markdown().parse(text)
    inner = (one for token in tokens for one in (token, *(token.children or ())))
    return any(one.type in {"image", "html_block", "html_inline"} for one in inner)


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")


_RENDERED = r"""(?P<image>!\[(?P<alt>[^\]\[]*)\](?:\([^)]*\)?|\[[^\]]*\]|))
      | (?P<tag><(?:[/!?]?[A-Za-z-]|[!?])[^<>]*(?:>|\Z))"""
_LOADED = re.compile(_RENDERED, re.VERBOSE)
"""Markdown's images, reference style included; HTML's tags and comments."""
_CODE_OR_LOADED = re.compile(
    r"""(?P<code>
          \\.
        | ^[ ]{0,3}(?P<fence>`{3,}|~{3,})[^\n`]*\n.*?^[ ]{0,3}(?P=fence)
        | (?<!`)(?P<ticks>`+)(?!`)[^\n]+?(?<!`)(?P=ticks)(?!`)
        ) | """
    + _RENDERED,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
"""The same, and code, which is shown and not rendered."""
