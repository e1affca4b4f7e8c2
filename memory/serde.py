"""How state becomes bytes: LangGraph's own format, which makes only classes that are listed, and says so.

The library's default makes any class that a stored byte string names, by importing and calling it. Whoever
can write to the store could so run code in every process that reads it. Its strict mode gives plain data
back instead of an unlisted class, and a warning; here that is an error, and it comes when the value is
saved, while nothing is lost yet. `docs/serialisation.md` holds the table of what comes back how.
"""

from __future__ import annotations

import dataclasses
import secrets
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import cache, lru_cache
from hashlib import blake2b
from types import FunctionType
from typing import Any, NoReturn, cast

import ormsgpack
from langgraph._internal import _serde as compiling
from langgraph.checkpoint.serde import jsonplus
from langgraph.checkpoint.serde._msgpack import SAFE_MSGPACK_METHODS, SAFE_MSGPACK_TYPES, AllowedMsgpackModules
from langgraph.checkpoint.serde.base import CipherProtocol, SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.event_hooks import SerdeEvent, register_serde_event_listener
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from motet.errors import InvalidConfig, TypeNotAllowed

_KEY = "LANGGRAPH_AES_KEY"
_RAW = (bytes, bytearray)
"""Classes whose values are stored as they are."""
_OPTIONS = jsonplus._option  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - the format's, which has no other name
_encode_other = jsonplus._msgpack_default  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - the same

_MOST_DERIVED = 64
"""Serializers that are kept of those derived from one: a graph needs one, and one made for each run may need others."""

_NO_CLASS = -1
"""No extension's number: plain data, or a snapshot of LangGraph's own."""

_met = threading.local()
"""What this thread's (de)serialisation stumbled over: the packer drops whatever its callbacks raise."""


class StrictSerializer(JsonPlusSerializer):
    """Messages, LangGraph's own types, standard values and listed classes; never pickle.

    LangGraph derives another one from it for each graph, by `with_msgpack_allowlist`, with the classes
    that the graph's state schema names.
    """

    def __init__(self, classes: AllowedMsgpackModules = ()) -> None:
        super().__init__(
            pickle_fallback=False,
            allowed_json_modules=None,
            # An empty list would be the same as None, which is strict; the sentinel default is not.
            allowed_msgpack_modules=tuple(classes) or None,
        )
        self._encode = _encoder(self._listed)
        self._derived: dict[frozenset[tuple[str, ...] | type], JsonPlusSerializer] = {}
        """By the classes it was derived with: each run of a graph asks for the same."""
        _allow_schemas()
        _watch()

    @property
    def _listed(self) -> frozenset[tuple[str, ...]]:
        listed = self._allowed_msgpack_modules
        return frozenset(listed) if isinstance(listed, set) else frozenset()

    def with_msgpack_allowlist(self, extra_allowlist: Iterable[tuple[str, ...] | type]) -> JsonPlusSerializer:
        """The same with more classes, by themselves or as (module, name); for the same classes the same one again."""
        extra = frozenset(extra_allowlist)
        known = self._derived.get(extra)
        if known is None:
            known = self._with(extra)
            if len(self._derived) >= _MOST_DERIVED:
                self._derived.clear()
            self._derived[extra] = known
        return known

    def _with(self, extra: frozenset[tuple[str, ...] | type]) -> JsonPlusSerializer:
        derived = super().with_msgpack_allowlist(extra)
        if derived is not self and isinstance(derived, StrictSerializer):
            derived._encode = _encoder(derived._listed)  # noqa: SLF001 - a copy of this very class
            derived._derived = {}  # noqa: SLF001 - the same
        return derived

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """LangGraph's bytes for `obj`.

        Raises:
            TypeNotAllowed: somewhere in `obj` is a value that wouldn't come back, by its class.
            TypeError: somewhere in `obj` is a value that has no form at all, or an integer beyond 64 bits.
        """
        if obj is None or isinstance(obj, _RAW):
            return super().dumps_typed(obj)
        try:
            return "msgpack", self._encode(obj)
        except ormsgpack.MsgpackEncodeError:
            refused: TypeNotAllowed | None = vars(_met).pop("refused", None)
            if refused is None:
                raise
        raise refused

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value again.

        Raises:
            TypeNotAllowed: the bytes name a class that isn't listed; it wasn't made.
            InvalidConfig: the bytes are encrypted, and this serializer has no key.
        """
        if "+" in data[0]:
            raise InvalidConfig(_KEY, f"what is stored is encrypted ({data[0]}), and no key is set")
        _met.blocked = None
        value = super().loads_typed(data)
        blocked: SerdeEvent | None = _met.blocked
        if blocked is not None:
            raise TypeNotAllowed(blocked["module"], blocked["name"], stored=True)
        return value


def state_serializer(classes: AllowedMsgpackModules = ()) -> StrictSerializer:
    """A serializer for what graphs hold.

    `classes`: a project's dataclasses, Pydantic models and enums that its states hold and no state schema names;
    each by itself or as (module, name).
    """
    return StrictSerializer(classes)


def encrypted_serializer(key: bytes, classes: AllowedMsgpackModules = ()) -> EncryptedSerializer:
    """`state_serializer(classes)` under AES (EAX, a nonce for each value), in the bytes of LangGraph's own.

    What isn't encrypted yet is still read, so a key may be set on a store that is in use.

    Raises:
        InvalidConfig: `key` isn't 16, 24 or 32 bytes long, or `pycryptodome` isn't installed.
    """
    return EncryptedSerializer(AesCipher(key), state_serializer(classes))


class AesCipher(CipherProtocol):
    """AES in EAX mode: a value is its nonce, its tag (16 bytes each) and the ciphertext."""

    def __init__(self, key: bytes) -> None:
        """Raises InvalidConfig as `encrypted_serializer` does."""
        if len(key) not in {16, 24, 32}:
            raise InvalidConfig(_KEY, f"{len(key)} bytes long; an AES key has 16, 24 or 32")
        try:
            from Crypto.Cipher import AES  # noqa: PLC0415 - an extra: only who encrypts needs it
        except ImportError:
            raise InvalidConfig(_KEY, "encryption needs pycryptodome: pip install 'motet[aes]'") from None
        self._aes = lambda nonce=None: AES.new(key, AES.MODE_EAX, nonce=nonce)
        self.digest_key = blake2b(key=key, person=b"motet elements", digest_size=32).digest()
        """For keyed hashes of plaintexts: equal values are recognised, and without the key nothing is."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        """The cipher's name, and nonce, tag and ciphertext."""
        cipher = self._aes()
        ciphertext, tag = cipher.encrypt_and_digest(plaintext)
        return "aes", cipher.nonce + tag + ciphertext

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        """The plaintext. Raises InvalidConfig where another key or another cipher made it, or it was changed."""
        if ciphername != "aes":
            raise InvalidConfig(_KEY, f"what is stored is encrypted by {ciphername!r}, not by AES")
        try:
            return self._aes(ciphertext[:16]).decrypt_and_verify(ciphertext[32:], ciphertext[16:32])
        except ValueError:
            raise InvalidConfig(_KEY, "what is stored was encrypted with another key, or is damaged") from None


def digest_key(serde: SerializerProtocol) -> bytes:
    """The key for hashes of values that `serde` stores: empty where it doesn't encrypt.

    A cipher that isn't ours gives no key; then it is this process's own, so that nothing is ever hashed
    without one, at the price that processes don't recognise each other's values.
    """
    if not isinstance(serde, EncryptedSerializer):
        return b""
    cipher = serde.cipher
    return cipher.digest_key if isinstance(cipher, AesCipher) else _own_digest_key()


@cache
def _own_digest_key() -> bytes:
    return secrets.token_bytes(32)


@lru_cache(maxsize=64)
def _encoder(listed: frozenset[tuple[str, ...]]) -> Callable[[Any], bytes]:
    """LangGraph's encoder, with a look at each class that it meets for the first time.

    Its encoder of other than MessagePack's own types calls itself by a global name, and has no hook. It is
    taken over with that one name bound to `encode`: the bytes stay its own, and nested values are looked at.
    """
    fitting: set[type] = set()

    def encode(value: Any) -> bytes:
        return ormsgpack.packb(value, default=look_and_encode, option=_OPTIONS)

    encode_other = cast(
        "Callable[[Any], Any]", FunctionType(_encode_other.__code__, {**vars(jsonplus), "_msgpack_enc": encode})
    )

    def look_and_encode(value: Any) -> Any:
        encoded = encode_other(value)
        kind = type(value)
        if kind not in fitting and _always_fits(kind, encoded, listed):
            fitting.add(kind)
        return encoded

    return encode


def _always_fits(kind: type, encoded: Any, listed: frozenset[tuple[str, ...]]) -> bool:
    """Refuse what a reader of `encoded` could not make a `kind` of; whether other values of `kind` need no look."""
    code, (module, name, *rest) = _content(encoded)
    if code == jsonplus.EXT_NUMPY_ARRAY:
        # `module` is the array's element type here, and "O" is a pointer to an object.
        if "O" in module:
            _refuse(TypeNotAllowed("numpy", "ndarray", reason="an array of objects has no form; make it a list"))
        return False
    if code == _NO_CLASS or (module, name) in SAFE_MSGPACK_TYPES:
        return True
    if code == jsonplus.EXT_METHOD_SINGLE_ARG and (module, name, rest[-1]) not in SAFE_MSGPACK_METHODS:
        _refuse(TypeNotAllowed(module, name, reason="the format has no form for it; convert it first"))
    if (module, name) not in listed:
        _refuse(TypeNotAllowed(module, name))
    if reason := _why_lost(kind):
        _refuse(TypeNotAllowed(module, name, reason=reason))
    return True


def _refuse(error: TypeNotAllowed) -> NoReturn:
    _met.refused = error
    raise error


def _why_lost(kind: type) -> str:
    """Why a listed class would come back as plain data all the same; empty where it wouldn't."""
    if getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind:
        return "a reader finds no such class there; define it at the module's top level"
    if dataclasses.is_dataclass(kind) and not all(field.init for field in dataclasses.fields(kind)):
        return "it can't be made again from its fields, some of which its constructor doesn't take (init=False)"
    if issubclass(kind, Enum) and any(isinstance(member.value, tuple) for member in kind):
        return "a member whose value is a tuple isn't found again by the list that the tuple becomes"
    return ""


def _content(encoded: Any) -> tuple[int, Sequence[Any]]:
    """The kind of extension that `encoded` is, and what it holds, mostly module, name and what to make it of."""

    def content(code: int, data: bytes) -> Any:
        held = ormsgpack.unpackb(data, ext_hook=lambda *_: None, option=ormsgpack.OPT_NON_STR_KEYS)
        return (code, held)

    found = ormsgpack.unpackb(ormsgpack.packb(encoded), ext_hook=content)
    if isinstance(found, tuple) and found[0] != jsonplus.EXT_DELTA_SNAPSHOT:
        return cast("tuple[int, Sequence[Any]]", found)
    return _NO_CLASS, ("", "")


def _allow_schemas() -> None:
    """Have LangGraph list the classes of a graph's state schema when it compiles the graph.

    It does so only under LANGGRAPH_STRICT_MSGPACK, which it reads when it is imported and which would change
    every other saver of the process, too. This is the half of that switch that hands the list to a saver;
    a saver whose serializer allows everything ignores it.
    """
    compiling.STRICT_MSGPACK_ENABLED = True


@cache
def _watch() -> None:
    """Learn of each class that LangGraph refuses to make: it says so by an event only. Once a process."""

    def note(event: SerdeEvent) -> None:
        if event["kind"] in {"msgpack_blocked", "msgpack_method_blocked"}:
            _met.blocked = event

    register_serde_event_listener(note)
