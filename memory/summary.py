"""Shortens a conversation without a model: what was asked, what was called, and how each answer began.

It takes sentences, and writes none: the same messages give the same summary, and what stands in it stood in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

LONGEST = 4_000
"""Characters of a summary."""
_SENTENCE = 300
_ARGUMENTS = 120
_END = re.compile(r"(?<=[.!?…])\s")
_MARK = re.compile(r"^</?data\b[^\n]*$", re.MULTILINE)
"""A line that marks data (`tools/untrusted.py`)."""


def extracted(messages: Sequence[BaseMessage]) -> str:
    """A line for each thing said or done, oldest first; of more than `LONGEST` characters the newest are kept.

    Of a message its first sentence; of a tool's result its first line, with the call it answers.
    """
    called = {
        call["id"]: f"{call['name']}({_short(', '.join(map(str, call['args'].values())), _ARGUMENTS)})"
        for one in messages
        if isinstance(one, AIMessage)
        for call in one.tool_calls
    }
    return newest([line for one in messages for line in _lines(one, called)])


def newest(lines: Sequence[str], *, most: int = LONGEST) -> str:
    """The last of `lines` that fit into `most` characters, with how many are left out before them."""
    kept: list[str] = []
    room = most - len(f"({len(lines)} earlier left out)\n")
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        kept.insert(0, line)
    left = len(lines) - len(kept)
    return "\n".join([*([f"({left} earlier left out)"] if left else []), *kept])


def first_sentence(text: str, most: int = _SENTENCE) -> str:
    """The first sentence of `text`, in one line of at most `most` characters; marks of data left out."""
    said = _MARK.sub("", text).strip()
    return _short(_END.split(said.split("\n\n")[0], maxsplit=1)[0] if said else "", most)


def _lines(message: BaseMessage, called: dict[str | None, str]) -> Iterator[str]:
    said = first_sentence(message.text)
    if not said:
        return
    if isinstance(message, HumanMessage):
        yield f"Asked: {said}"
    elif isinstance(message, ToolMessage):
        failed = " failed" if message.status == "error" else ""
        yield f"{called.get(message.tool_call_id, message.name or 'tool')}{failed}: {said}"
    elif isinstance(message, AIMessage):
        yield f"Said: {said}"


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
