"""How passages become vectors: the name of the model that makes them, and their form in the index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from langchain_core.embeddings import Embeddings

from motet.memory.search import unit

_MODEL = ("model_name", "model", "deployment", "model_id")
_DIMENSIONS = ("dimensions", "dims", "output_dimensionality")


def model_name(embeddings: Embeddings) -> str:
    """The name under which vectors are kept: class, model and dimensions, as far as they are told.

    LangChain has no field for it; its embeddings call theirs `model` or `model_name`. Whoever wraps several
    models in one class must tell them apart by such an attribute.
    """
    told = [type(embeddings).__name__.strip("_")]
    for names in (_MODEL, _DIMENSIONS):
        values = (getattr(embeddings, name, None) for name in names)
        told += [str(value) for value in values if isinstance(value, str | int)][:1]
    return ":".join(told)


async def embed(embeddings: Embeddings, texts: Sequence[str]) -> list[bytes]:
    """A vector for each text: unit length, float16, little endian. Synchronous models run in a thread."""
    if not texts:
        return []
    vectors = np.asarray(await embeddings.aembed_documents(list(texts)), dtype=np.float32)
    return [row.astype("<f2").tobytes() for row in unit(vectors)]
