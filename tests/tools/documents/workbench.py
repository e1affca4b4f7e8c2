"""What tests of documents share: embeddings that can be counted, a PDF made by hand, and the commands Redis gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from zlib import crc32

from langchain_core.embeddings import Embeddings

from motet.memory.redis.client import connect
from motet.memory.redis.keys import Keys
from motet.memory.search import words

MEANINGS: Mapping[str, str] = {"car": "vehicle", "automobile": "vehicle", "lorry": "vehicle"}
"""Words that the embeddings of these tests take for one."""


class WordEmbeddings(Embeddings):
    """Texts with the same words have the same vector; keeps what it was asked for."""

    def __init__(self, model: str = "words", dimensions: int = 1024) -> None:
        self.model = model
        self.dimensions = dimensions
        self.documents: list[str] = []
        self.queries: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.documents += texts
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.queries.append(text)
        return self._vector(text)

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dimensions
        for word in words(text):
            vector[crc32(MEANINGS.get(word, word).encode()) % self.dimensions] += 1.0
        return vector


def fill(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write `files` under `folder`, which is returned."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def pdf_of(pages: Sequence[str]) -> bytes:
    """A PDF with one line of text on each page."""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(f'{4 + 2 * n} 0 R' for n in range(len(pages)))}] >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        drawn = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
        objects += [
            f"{page} /Contents {5 + 2 * number} 0 R >>",
            f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
        ]
    made = b"%PDF-1.4\n"
    offsets: list[int] = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(made))
        made += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(made)}\n%%EOF\n"
    return made + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode("latin-1")


async def commands_of(url: str, keys: Keys, act: Callable[[], Awaitable[object]]) -> list[str]:
    """The commands on keys of `keys` that the server got while `act` ran, as text."""
    watcher, marker = await connect(url), await connect(url)
    seen: list[str] = []
    async with watcher.monitor() as monitor:
        await act()
        await marker.echo(f"end {keys.prefix}")
        async for command in monitor.listen():
            text = str(command["command"])
            if text == f"ECHO end {keys.prefix}":
                break
            if keys.prefix in text and command["client_type"] != "lua":
                seen.append(text)
    await watcher.aclose()
    await marker.aclose()
    return seen


def verbs(commands: Sequence[str]) -> list[str]:
    """The commands' names."""
    return [command.split()[0] for command in commands]


def silent(_doing: str, _done: int, _total: int) -> None:
    """A progress that nobody watches."""
