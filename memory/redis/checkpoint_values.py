"""How a channel's value is stored: whole, or as a tree of parts that versions share.

A list that grows by one element would be written whole at each superstep, so that a turn costs what the
whole history weighs. Instead its elements are packed into leaves, each under the hash of its content,
and the hashes into nodes of `FANOUT`, up to a top that stands in the value itself. The next version
shares all leaves and all nodes but the last of each level: it costs what was added, and at most
`16 * FANOUT` bytes a level (the level is the logarithm of the list's length).

A leaf holds consecutive elements of together at least `LEAF_BYTES`, so that a list of numbers isn't torn
into crumbs. Where leaves end depends on what stands before them only: appending changes the last one.

Bytes of a value: 0 and the serialised whole, or 1, depth, number of elements (8 bytes), top digests.
Bytes of a part: 0 and a leaf's elements, 1 and a node's digests, or 2 and an encrypted leaf: cipher, NUL, bytes.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import Any, NamedTuple, Self

from langgraph.checkpoint.base import Checkpoint
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from motet.errors import RunError, StateTooLarge, TypeNotAllowed, UnstorableValue
from motet.growing import Growing
from motet.held import held_by
from motet.memory.redis.checkpoint_parts import (
    DIGEST_BYTES,
    LEAF,
    LEAF_BYTES,
    NODE,
    SEALED,
    Item,
    Part,
    digests_in,
    edge,
    item_of,
    leaves,
    part_of,
    tree,
)
from motet.memory.redis.packed_messages import PackedMessages
from motet.memory.redis.read_messages import ReadMessages, as_array
from motet.memory.serde import digest_key

_WHOLE, _LIST = b"\0", b"\1"


Shared = dict[bytes, list[Any]]
"""Messages by the leaf or the node that they are in."""

Lists = Growing[Item]
"""What the last lists of messages were made of."""


class Content(NamedTuple):
    """What a checkpoint brings."""

    values: Mapping[str, bytes]
    """Stored values by `ref`."""
    parts: Mapping[bytes, bytes]
    """Parts to be sent, by digest."""
    digests: Sequence[bytes]
    """Of all parts, sent or not."""
    sizes: Sequence[tuple[str, int]]
    """Bytes to be sent for each channel."""


class Held(NamedTuple):
    """A list of which all parts are in memory."""

    edge: Sequence[bytes]
    """Parts that stand for all below them: one that grew from this list has little else."""
    parts: Mapping[bytes, bytes]
    """All of its parts as they are stored, by digest."""


class _Listed(NamedTuple):
    """A list's stored value."""

    depth: int
    length: int
    top: list[bytes]

    @classmethod
    def of(cls, stored: bytes) -> Self | None:
        """None for a value that is stored whole."""
        if not is_list(stored):
            return None
        return cls(stored[1], int.from_bytes(stored[2:10], "big"), digests_in(stored[10:]))


class _OtherFormatError(Exception):
    """The serializer has another format for a value than MessagePack."""


class ValueFormat:
    """Between a channel's value and the bytes that are stored, for one serializer.

    Lists are shared under LangGraph's MessagePack serializer, encrypted or not; under any other one each
    value is stored whole. Encrypted parts are named by a keyed hash: an unkeyed one would let a reader of
    the store test guesses. Where the cipher carries no `digest_key`, equal parts aren't recognised by
    another process, which costs bytes and nothing else.
    """

    def __init__(self, serde: SerializerProtocol, packed: PackedMessages, read: ReadMessages, lists: Lists) -> None:
        """`packed`, `read`, `lists`: kept from one format of a cipher to the next."""
        self.serde = serde
        self._cipher = serde.cipher if isinstance(serde, EncryptedSerializer) else None
        plain = serde.serde if isinstance(serde, EncryptedSerializer) else serde
        self._plain = plain if isinstance(plain, JsonPlusSerializer) else None
        self._packed = packed
        self._read = read
        self._lists = lists
        self._key = b"" if self._cipher is None else digest_key(serde)

    def content(
        self, checkpoint: Checkpoint, channels: Iterable[str], known: Container[bytes], place: Hashable
    ) -> Content:
        """The values of `channels` as they are stored, without the parts that are `known` to be there.

        `place`: where the checkpoint's line stands; each value mostly begins as the last one of its channel there.

        Raises:
            TypeNotAllowed, UnstorableValue: names the channel.
        """
        values: dict[str, bytes] = {}
        parts: dict[bytes, bytes] = {}
        digests: list[bytes] = []
        sizes: list[tuple[str, int]] = []
        for channel in channels:
            try:
                stored, made_of = self.dump_value(checkpoint["channel_values"][channel], (place, channel))
            except (TypeNotAllowed, TypeError) as error:
                raise _refused(channel, error) from error
            size = len(stored)
            values[ref(channel, checkpoint["channel_versions"][channel])] = stored
            for part in [part for part in made_of if part.digest not in known]:
                parts[part.digest] = self.bytes_of(part)
                size += len(part.content)
            digests += [part.digest for part in made_of]
            sizes.append((channel, size))
        return Content(values, parts, digests, sizes)

    def dump_written(self, channel: str, value: Any) -> bytes:
        """What a task wrote to a channel, whole. Raises TypeNotAllowed, UnstorableValue, which name the channel."""
        try:
            return self.dump(value)
        except (TypeNotAllowed, TypeError) as error:
            raise _refused(channel, error) from error

    def dump(self, value: Any) -> bytes:
        """The value, whole."""
        kind, data = self.serde.dumps_typed(value)
        return b"%b\0%b" % (kind.encode(), data)

    def load(self, stored: bytes) -> Any:
        """What `dump` was given."""
        kind, _, data = stored.partition(b"\0")
        return self.serde.loads_typed((kind.decode(), data))

    def dump_value(self, value: Any, place: Hashable) -> tuple[bytes, Sequence[Part]]:
        """A value as it is stored, and the parts it is made of; none if it is stored whole. `place`: of its like."""
        if self._plain is not None and type(value) is list and len(value) > 1:
            items = self._items(self._plain, value, place)
            if items is not None:
                return self._tree(items)
        return _WHOLE + self.dump(value), ()

    def load_value(self, stored: bytes, parts: Mapping[bytes, bytes], shared: Shared | None = None) -> Any:
        """What `dump_value` was given; `parts` are stored parts by digest.

        `shared`: messages that other values already have, and that this one may have, too; those of this one are added.

        Raises:
            LookupError, ValueError: a part is missing, or isn't what its name says.
            InvalidConfig: it is encrypted, and there is no key.
        """
        listed = _Listed.of(stored)
        if listed is None:
            return self.load(stored[1:])
        assert self._plain is not None
        elements = (
            self._own_messages(self._plain, parts, listed)
            if shared is None
            else self._messages(self._plain, parts, listed, shared)
        )
        if elements is not None and len(elements) == listed.length:
            return elements
        leaves = [self._opened(parts[digest], digest) for digest in self._leaves_below(parts, listed)]
        return self._plain.loads_typed(("msgpack", b"".join([_array_of(listed.length), *leaves])))

    def bytes_of(self, part: Part) -> bytes:
        """A part as it is stored."""
        if part.kind == NODE or self._cipher is None:
            return part.kind + part.content
        cipher, sealed = self._cipher.encrypt(part.content)
        return b"%b%b\0%b" % (SEALED, cipher.encode(), sealed)

    def _opened(self, leaf: bytes, digest: bytes) -> bytes:
        """A leaf's elements; those from before there was a key are read, too."""
        if leaf[:1] != SEALED:
            content = leaf[1:]
            if leaf[:1] != LEAF or blake2b(content, digest_size=DIGEST_BYTES, person=LEAF).digest() != digest:
                raise ValueError(f"part {digest.hex()} isn't what its name says")
            return content
        cipher, _, sealed = leaf[1:].partition(b"\0")
        if self._cipher is None:
            return self.serde.loads_typed((f"msgpack+{cipher.decode()}", sealed))
        return self._cipher.decrypt(cipher.decode(), sealed)

    def _own_messages(
        self, plain: JsonPlusSerializer, parts: Mapping[bytes, bytes], listed: _Listed
    ) -> list[Any] | None:
        """A list's elements, all made for this reader; None if it isn't a list of messages."""
        leaves = self._leaves_below(parts, listed)
        elements, known = self._read.find_first(leaves, parts)
        for digest in leaves[known:]:
            found = self._leaf(plain, parts, digest)
            if found is None:
                return None
            elements += found
        return elements

    def _messages(
        self, plain: JsonPlusSerializer, parts: Mapping[bytes, bytes], listed: _Listed, shared: Shared
    ) -> list[Any] | None:
        """A list's elements, those that are `shared` among them; None if it isn't a list of messages."""
        elements = self._below(plain, parts, listed.top, listed.depth, shared)
        if elements is None or len(set(map(id, elements))) == len(elements):
            return elements
        elements = []
        once: set[bytes] = set()
        for digest in self._leaves_below(parts, listed):
            elements += (self._leaf(plain, parts, digest) or ()) if digest in once else shared[digest]
            once.add(digest)
        return elements

    def _below(
        self,
        plain: JsonPlusSerializer,
        parts: Mapping[bytes, bytes],
        level: Sequence[bytes],
        depth: int,
        shared: Shared,
    ) -> list[Any] | None:
        """As `_messages`, where what is there twice may be the same object twice."""
        for digest in level:
            if digest not in shared:
                found = (
                    self._below(plain, parts, self._children(parts, digest), depth - 1, shared)
                    if depth
                    else self._leaf(plain, parts, digest)
                )
                if found is None:
                    return None
                shared[digest] = found
        return list(chain.from_iterable(map(shared.__getitem__, level)))

    def _leaf(self, plain: JsonPlusSerializer, parts: Mapping[bytes, bytes], digest: bytes) -> list[Any] | None:
        """The messages of a leaf, made for whoever asks; None if it holds anything else."""
        stored = parts[digest]
        found = self._read.find(digest, stored)
        if found is None and (array := as_array(self._opened(stored, digest))) is not None:
            found = plain.loads_typed(("msgpack", array))
            is_named = stored[:1] != SEALED or self._names(digest, LEAF, array[1:])
            self._read.note(digest, stored, found, is_named=is_named)
        return found

    def _leaves_below(self, parts: Mapping[bytes, bytes], listed: _Listed) -> Sequence[bytes]:
        level = listed.top
        for _ in range(listed.depth):
            level = list(chain.from_iterable(self._children(parts, digest) for digest in level))
        return level

    def _children(self, parts: Mapping[bytes, bytes], digest: bytes) -> Sequence[bytes]:
        stored = parts[digest]
        children = self._read.children(digest, stored)
        if children is None:
            if stored[:1] != NODE:
                raise ValueError("a part that should be a node is none")
            content = stored[1:]
            children = digests_in(content)
            if self._names(digest, NODE, content) or part_of(NODE, content, b"").digest == digest:
                self._read.note_node(digest, stored, children)
        return children

    def _names(self, digest: bytes, kind: bytes, content: bytes) -> bool:
        """Whether this format names the content so. A foreign cipher's names are its process's own."""
        return part_of(kind, content, self._key).digest == digest

    def _items(self, plain: JsonPlusSerializer, value: list[Any], place: Hashable) -> Sequence[Item] | None:
        """Each element's MessagePack; None where the serializer has another format for one, or all are short."""
        try:
            items = self._lists.all_of(place, value, partial(self._item, plain))
        except _OtherFormatError:
            return None
        large = any(isinstance(item, Part) for item in items)
        return items if large or sum(map(len, items)) >= LEAF_BYTES else None

    def _item(self, plain: JsonPlusSerializer, element: Any) -> Item:
        """An element's MessagePack. Raises _OtherFormatError."""
        held = held_by(element)
        item = None if held is None else self._packed.find(held)
        if item is None:
            kind, data = plain.dumps_typed([element])
            if kind != "msgpack":
                raise _OtherFormatError
            item = item_of(data[1:], self._key)
            if held is not None:
                self._packed.note(held, item)
        return item

    def _tree(self, items: Sequence[Item]) -> tuple[bytes, Sequence[Part]]:
        depth, top, parts = tree(leaves(items, self._key), self._key)
        digests = b"".join(part.digest for part in top)
        return b"%b%c%b%b" % (_LIST, depth, len(items).to_bytes(8, "big"), digests), parts


def held_of(stored: bytes, read: ReadMessages) -> Held | None:
    """What is in memory of a value that was loaded before; None unless it is a list of messages that is there whole."""
    listed = _Listed.of(stored)
    parts = None if listed is None else read.below(listed.top, listed.depth)
    return None if listed is None or parts is None else Held(edge(parts, listed.top, listed.depth), parts)


def check_size(thread_id: str, sizes: Sequence[tuple[str, int]], allowed: int | None) -> None:
    """Refuse what is larger than `allowed` bytes in all; None allows everything. Raises StateTooLarge."""
    size = sum(bytes_ for _, bytes_ in sizes)
    if allowed is not None and size > allowed:
        channel, _ = max(sizes, key=lambda entry: entry[1])
        raise StateTooLarge(thread_id, size=size, allowed=allowed, channel=channel)


def _refused(channel: str, error: TypeNotAllowed | TypeError) -> RunError:
    if isinstance(error, TypeNotAllowed):
        return TypeNotAllowed(error.module, error.name, reason=error.reason, channel=channel)
    return UnstorableValue(channel, str(error))


def is_list(stored: bytes) -> bool:
    """Whether a stored value is made of parts."""
    return stored[:1] != _WHOLE


def ref(channel: str, version: str | float) -> str:
    """The name of a channel's value at a version."""
    return f"{channel}\0{version}"


def _array_of(count: int) -> bytes:
    """The header of a MessagePack array (https://github.com/msgpack/msgpack/blob/master/spec.md)."""
    if count < 16:  # noqa: PLR2004 - the format's own limits
        return bytes([0x90 | count])
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")
