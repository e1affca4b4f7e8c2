"""How larger values are kept: compressed where that helps, and encrypted where the installation has a key."""

from __future__ import annotations

import zlib

from motet.errors import DataDamaged, InvalidConfig
from motet.memory.serde import AesCipher

_WORTH_IT = 256
"""Bytes; what is smaller isn't compressed: that took longer than it saved."""

_SHORT = 16_384
"""Bytes; for what is shorter, zlib's 256 KB of memory take longer to get than its work."""

_PLAIN, _SMALLER = b"=", b"z"


class Sealing:
    """Closes and opens values of one installation."""

    def __init__(self, cipher: AesCipher | None) -> None:
        """`cipher`: encrypts what is kept; None keeps it as it is."""
        self._cipher = cipher

    def closed(self, data: bytes) -> bytes:
        """As it is kept. Level 1: higher ones take twice as long and save a twentieth."""
        smaller = _SMALLER + _compressed(data) if len(data) >= _WORTH_IT else b""
        kept = smaller if 0 < len(smaller) <= len(data) else _PLAIN + data
        if self._cipher is None:
            return kept
        name, hidden = self._cipher.encrypt(kept)
        return name.encode() + b"\0" + hidden

    def opened(self, kept: bytes, where: str) -> bytes:
        """As it was. Raises InvalidConfig where another key made it, or one where there is none; and DataDamaged."""
        try:
            if not kept.startswith((_PLAIN, _SMALLER)):
                name, _, hidden = kept.partition(b"\0")
                if self._cipher is None:
                    raise InvalidConfig("LANGGRAPH_AES_KEY", f"{where} was encrypted, and there is no key")
                kept = self._cipher.decrypt(name.decode(), hidden)
            return zlib.decompress(kept[1:]) if kept.startswith(_SMALLER) else kept[1:]
        except (zlib.error, ValueError) as error:
            raise DataDamaged(where, str(error)) from error


def _compressed(data: bytes) -> bytes:
    if len(data) > _SHORT:
        return zlib.compress(data, 1)
    compressor = zlib.compressobj(1, wbits=13, memLevel=6)
    return compressor.compress(data) + compressor.flush()
