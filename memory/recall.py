"""What a person asked to be remembered, from one conversation to the next, on any LangGraph store.

Only what is remembered explicitly stands here, a text at a time, with where it comes from: nothing is distilled from
conversations. `docs/design/0007-memory.md` says why, and what private and forgotten mean.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from langgraph.store.base import BaseStore, SearchItem

from motet.errors import InvalidInput, ModelFailed, NotFound
from motet.memory.search import Ranking, Vocabulary
from motet.observability.trajectory.redact import REDACTED, without_secrets

logger = logging.getLogger(__name__)

NAMESPACE = "memories"
"""First label of the store's namespaces that hold memories; the second is the user, as `namespace` spells it."""
NOBODY_NAMED = "default"
"""The user where a run names none."""
LONGEST = 1_000
"""Characters of one memory."""
MOST = 500
"""Memories of one user."""
MOST_SOURCES = 20
"""Sources of one memory that are kept: the first, and the latest."""
CLOSE = 0.9
"""Cosine from which a person is told that another memory is close. It is never taken for the same: of sentences about
a left and a right pump the embedded model's is 0.97, of "My name is Ann" and "I am called Ann" 0.84."""
NEAR = 0.35
"""Cosine from which a memory bears on a question."""
SHARED = 0.3
"""Share of a question's telling words from which a memory that has them bears on it."""
_FUSION_K = 60
"""How slowly a rank's worth falls, as in `search`."""

_LONGEST_USER = 128
_JOINERS = "\u200c\u200d"
"""Not printable, but part of how some languages and emoji are written."""
_EDGES = ".,;:!?\"'()[]…“”‘’„«»"  # noqa: RUF001 - quotation marks as people type them
_NAMED_SECRET = re.compile(
    r"\b((?:(?:password|passphrase|passcode|pin)\b(?:[^.!?:=]{0,40}?\sis\b|\s*[:=])"
    r"|(?:api[ _-]?key|token|secret)\s*(?:\sis\b|[:=]))\s*)(?=\S*[\d!@#$%^&*+=])\S+",
    re.IGNORECASE,
)
"""What somebody says is a password: of any shape, but no plain word."""

By = Literal["person", "agent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a memory comes from."""

    at: str
    """When it was remembered: ISO 8601, UTC."""
    by: By
    """Who had it remembered."""
    thread_id: str | None = None
    """The conversation; None outside of any, as from the command line."""
    message_id: str | None = None
    """The message, or the tool call, that said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One remembered text."""

    memory_id: str
    text: str
    sources: Sequence[Provenance]
    """Oldest first: the first time, and each later one that said the same. Empty for one made by the store's API."""
    similarity: float | None = None
    """Cosine with the question, of a memory that was recalled; None where there are no vectors."""

    @property
    def latest(self) -> str:
        """When it was last said or corrected; empty if nobody knows."""
        return max((one.at for one in self.sources), default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What became of a text."""

    memory: Memory
    new: bool
    """Whether no memory said the same before."""
    close: Memory | None
    """Another memory that is nearly the same, or contradicts it; only a person can tell. None without vectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """For whom a run remembers, and whether it may."""

    user: str
    thread_id: str | None
    private: bool
    """Nothing is remembered, and nothing recalled."""


def whose(configurable: Mapping[str, Any], *, field: str = "config.configurable") -> Whose:
    """Read a run's `configurable`: `user_id` (`NOBODY_NAMED` without it), `thread_id` and `private`.

    A whole number names a user by its digits. `field` is what errors call `configurable`.

    Raises:
        InvalidInput: `user_id` can't name a user, or `private` isn't true or false.
    """
    user, private, thread = (configurable.get(name) for name in ("user_id", "private", "thread_id"))
    if not isinstance(private, bool | None):
        raise InvalidInput(f"{field}.private", private, "true or false")
    named = str(user) if type(user) is int else NOBODY_NAMED if user is None else user
    known = checked_user(named, field=f"{field}.user_id")
    return Whose(user=known, thread_id=str(thread) if thread else None, private=bool(private))


def checked_user(user: object, *, field: str = "user") -> str:
    """`user` as it is.

    Raises:
        InvalidInput: it isn't a printable text of 1 to 128 characters.
    """
    if isinstance(user, str) and user.strip() == user and 0 < len(user) <= _LONGEST_USER and user.isprintable():
        return user
    raise InvalidInput(field, user, f"a printable text of 1 to {_LONGEST_USER} characters, without blanks around it")


def namespace(user: str) -> tuple[str, str]:
    """Where the store keeps a user's memories. A namespace's label has no period, so `.` is `%2E` and `%` is `%25`."""
    return NAMESPACE, user.replace("%", "%25").replace(".", "%2E")


class Recall:
    """Users' memories in a store. With an index they are compared by meaning too, without one by their words alone.

    Every text is kept without secrets. Embeddings that fail leave words to compare by.
    """

    def __init__(self, store: BaseStore) -> None:
        self._store = store

    async def remember(self, user: str, text: str, *, provenance: Provenance) -> Remembered:
        """Keep `text`, or add `provenance` to the memory that says the same already. Doing it twice is doing it once.

        The same is what differs in case, blanks and punctuation alone. Of two processes that add a source to one
        memory at the same moment, one source may be lost, never the memory.

        Raises:
            InvalidInput: the text is empty or longer than `LONGEST`, or the user has `MOST` memories.
        """
        said = checked_text(text)
        known = await self._all(user, said)
        before = next((one for one in known if same(one.text, said)), None)
        others = [one for one in known if one is not before and (one.similarity or 0.0) >= CLOSE]
        close = max(others, key=lambda one: one.similarity or 0.0, default=None)
        if before is not None:
            kept = await self._put(user, before.memory_id, before.text, _added(before.sources, provenance))
        elif len(known) >= MOST:
            raise InvalidInput("text", said, f"at most {MOST} memories; forget one first")
        else:
            kept = await self._put(user, _free_id(said, {one.memory_id for one in known}), said, [provenance])
        return Remembered(memory=kept, new=len(kept.sources) == 1, close=close)

    async def recall(self, user: str, question: str, *, limit: int = 3) -> Sequence[Memory]:
        """The memories that bear on `question`, best first; none if none does."""
        known = await self._all(user, question)
        return _fitting(question, known)[:limit]

    async def list(self, user: str) -> Sequence[Memory]:
        """All of a user's memories, the latest first."""
        return sorted(await self._all(user), key=lambda one: (one.latest, one.memory_id), reverse=True)

    async def correct(self, user: str, memory_id: str, text: str, *, provenance: Provenance) -> Memory:
        """Put `text` in the place of a memory's own, in every index too; its sources stay, and `provenance` joins them.

        Raises:
            NotFound: the user has no such memory.
            InvalidInput: the text can't be kept, or another memory says it already.
        """
        said = checked_text(text)
        known = {one.memory_id: one for one in await self._all(user)}
        if memory_id not in known:
            raise NotFound("memory", memory_id)
        for one in known.values():
            if one.memory_id != memory_id and same(one.text, said):
                raise InvalidInput("text", said, f"a text that memory {one.memory_id} doesn't hold already")
        return await self._put(user, memory_id, said, _added(known[memory_id].sources, provenance))

    async def forget(self, user: str, memory_id: str) -> Memory:
        """Delete a memory, from every index too; returns what it was.

        Raises:
            NotFound: the user has no such memory.
        """
        for one in await self._all(user):
            if one.memory_id == memory_id:
                await self._store.adelete(namespace(user), memory_id)
                return one
        raise NotFound("memory", memory_id)

    async def forget_all(self, user: str) -> int:
        """Delete everything under a user's namespace, memories or not; returns how many items there were."""
        forgotten = 0
        while items := await self._store.asearch(namespace(user), limit=MOST):
            for item in items:
                await self._store.adelete(item.namespace, item.key)
            forgotten += len(items)
        return forgotten

    async def _all(self, user: str, question: str = "") -> Sequence[Memory]:
        """Every memory, with its similarity to `question` where there are vectors."""
        own, most = namespace(user), 2 * MOST  # the store's API may have added some
        try:
            items = await self._store.asearch(own, query=question or None, limit=most)
        except ModelFailed as error:
            logger.warning("memories are compared by their words only: %s", error)
            items = await self._store.asearch(own, limit=most)
        return [_memory(item) for item in items if item.namespace == own and isinstance(item.value.get("text"), str)]

    async def _put(self, user: str, memory_id: str, text: str, sources: Sequence[Provenance]) -> Memory:
        own, value = namespace(user), {"text": text, "sources": [dataclasses.asdict(one) for one in sources]}
        try:
            await self._store.aput(own, memory_id, value, index=["text"], ttl=None)
        except ModelFailed as error:
            logger.warning("memory %s is found by its words only: %s", memory_id, error)
            await self._store.adelete(own, memory_id)  # with the vector of an earlier text
            await self._store.aput(own, memory_id, value, index=False, ttl=None)
        return Memory(memory_id=memory_id, text=text, sources=tuple(sources))


def checked_text(text: str) -> str:
    """`text` as it is kept: in one line, without secrets and control characters.

    Raises:
        InvalidInput: nothing is left of it, or more than `LONGEST` characters.
    """
    line = " ".join("".join(one if one.isprintable() or one in _JOINERS else " " for one in text).split())
    said = _NAMED_SECRET.sub(rf"\1{REDACTED}", without_secrets(line))
    if not any(one.isalnum() for one in said) or len(said) > LONGEST:
        raise InvalidInput("text", said, f"a text of 1 to {LONGEST} characters")
    return said


def _memory(item: SearchItem) -> Memory:
    told = item.value.get("sources")
    sources = [_provenance(one) for one in cast("list[Any]", told)] if isinstance(told, list) else []
    return Memory(
        memory_id=item.key,
        text=str(item.value["text"]),
        sources=tuple(one for one in sources if one is not None),
        similarity=item.score,
    )


def _provenance(told: object) -> Provenance | None:
    """What an item says of itself; None for what isn't ours, which the store's API lets anybody write."""
    known = cast("Mapping[str, object]", told) if isinstance(told, Mapping) else {}
    at, thread, message = known.get("at"), known.get("thread_id"), known.get("message_id")
    if not isinstance(at, str):
        return None
    return Provenance(
        at=at,
        by="person" if known.get("by") == "person" else "agent",
        thread_id=thread if isinstance(thread, str) else None,
        message_id=message if isinstance(message, str) else None,
    )


def _added(sources: Sequence[Provenance], new: Provenance) -> list[Provenance]:
    """`sources` with `new` at the end, unless one is from the same message of the same thread."""
    place = (new.thread_id, new.message_id)
    if new.message_id is not None and any((one.thread_id, one.message_id) == place for one in sources):
        return list(sources)
    return [*sources[:1], *[*sources[1:], new][1 - MOST_SOURCES :]]


def _free_id(text: str, taken: Collection[str]) -> str:
    """Eight hexadecimal digits made of the text, so that two processes that remember it at once write one item."""
    number = 0
    while (made := hashlib.sha256(f"{_normal(text)}\n{number}".encode()).hexdigest()[:8]) in taken:
        number += 1  # the memory that had it says something else since a correction
    return made


def same(text: str, other: str) -> bool:
    """Whether two texts are one memory: they differ in case, blanks and the punctuation around words alone."""
    return _normal(text) == _normal(other)


def _normal(text: str) -> str:
    """`text` without what doesn't tell two memories apart; signs inside a word do (C++, -5, 3.5)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(filter(None, (word.strip(_EDGES) for word in folded.split())))


def _fitting(question: str, known: Sequence[Memory]) -> Sequence[Memory]:
    """Those near in meaning, and those that have enough of the question's words; ranked by both (`search`)."""
    vocabulary = Vocabulary()
    vocabulary.learn(question)
    asked = set(vocabulary.known(question))
    learned = [vocabulary.learn(one.text) for one in known]
    near = [number for number, one in enumerate(known) if (one.similarity or 0.0) >= NEAR]
    sharing = {number for number, one in enumerate(learned) if asked and len(asked & set(one)) / len(asked) >= SHARED}
    by_words = Ranking(learned, vocabulary, None).rank(question, None, limit=len(known)) if sharing else []
    worth = dict.fromkeys([*near, *sharing], 0.0)
    near.sort(key=lambda number: -(known[number].similarity or 0.0))
    for places in (near, [one.number for one in by_words if one.number in sharing]):
        for rank, number in enumerate(places, start=1):
            worth[number] += 1 / (_FUSION_K + rank)
    return [known[number] for number in sorted(worth, key=lambda number: (-worth[number], number))]
