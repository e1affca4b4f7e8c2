"""Which vectors search by meaning takes: `provider:model` through LangChain, the embedded model's, or none.

Without vectors search goes by words alone, so nothing here stops Motet from starting except a setting
that can't be meant.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
from langchain.embeddings import init_embeddings
from langchain_core.embeddings import Embeddings
from pydantic import SecretStr, ValidationError

from motet.agents.models import MAX_RETRIES
from motet.agents.structured import MODEL_ERRORS
from motet.agents.weights import MINILM, find_weights
from motet.errors import InvalidConfig, ModelFailed, ModelUnavailable
from motet.tools.index import Progress

EMBEDDED = "minilm-l6-v2-int8"
"""The embedded model's name beside the vectors it made."""

OFF = "none"
"""What MOTET_EMBEDDINGS says when no vectors are wanted."""

_RUNTIME = ("onnxruntime", "tokenizers")
_NOT_INSTALLED = "the embedded search model's runtime isn't installed: `pip install 'motet[local]'`"
_NO_KEY = SecretStr("none")
"""Sent to a server of one's own that asks for no key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSettings:
    """What the installation says about search by meaning."""

    name: str | None
    """`provider:model` or `none` (MOTET_EMBEDDINGS); None takes the embedded model."""
    base_url: str | None
    """A server that speaks the provider's API (MOTET_EMBEDDINGS_BASE_URL)."""
    data_dir: Path
    """Where fetched weights are kept (MOTET_DATA_DIR)."""
    timeout_s: float
    """A call of an OpenAI-compatible server may take so long, in seconds (MOTET_MODEL_TIMEOUT_SECONDS)."""


class Embedders:
    """The installation's one source of vectors, made when first asked for. Close it with `aclose`.

    Raises (at once, so that a wrong setting is told at start-up):
        InvalidConfig: the name is neither `provider:model` nor `none`, the provider is unknown, or a base
            URL stands without a model.
        ModelUnavailable: the named provider's package or key is missing.
    """

    def __init__(self, settings: EmbeddingSettings, progress: Progress) -> None:
        self.name = settings.name or EMBEDDED
        """Names the model; vectors of two names can't be compared, so they are kept by it."""
        self._settings = settings
        self._progress = progress
        self._making = asyncio.Lock()
        self._made: Embeddings | None = None
        self._lacking = ""
        if settings.base_url and settings.name in {None, OFF}:
            raise InvalidConfig("MOTET_EMBEDDINGS_BASE_URL", "it needs MOTET_EMBEDDINGS to name the server's model")
        if settings.name is None:
            installed = all(importlib.util.find_spec(module) for module in _RUNTIME)
            self._lacking = "" if installed else _NOT_INSTALLED
        elif settings.name == OFF:
            self._lacking = "MOTET_EMBEDDINGS is none"
        else:
            self._made = _Provided(settings.name, _from_provider(settings.name, settings))

    @property
    def notice(self) -> str:
        """What a person should know of the search, in whole sentences; truest after `embeddings` was awaited."""
        if self._lacking:
            return f"Documents are searched by words only: {self._lacking}."
        if self._settings.name is None:
            return (
                "Documents are searched by words and by meaning, with the embedded all-MiniLM-L6-v2 "
                "(English, 23 MB, nothing leaves this machine)."
            )
        where = f" at {self._settings.base_url}" if self._settings.base_url else ""
        return f"Documents are searched by words and by meaning: their text is sent to {self._settings.name}{where}."

    async def embeddings(self) -> Embeddings | None:
        """What makes the vectors, or None where there is nothing; `notice` then says why.

        The embedded model is fetched and loaded at the first call. If that fails it isn't tried again
        before the next start. A provider's calls raise ModelFailed, whichever provider it is.
        """
        async with self._making:
            if self._made is None and not self._lacking:
                try:
                    file = await find_weights(
                        MINILM, file=None, data_dir=self._settings.data_dir, progress=self._progress
                    )
                    self._made = await asyncio.to_thread(_load, file)
                except ModelUnavailable as unavailable:
                    self._lacking = unavailable.reason.rstrip(".")
                except ImportError as broken:
                    self._lacking = f"the embedded search model's runtime can't be loaded: {broken}"
            return self._made

    async def aclose(self) -> None:
        """Give the embedded model's memory back; `embeddings` loads it again."""
        async with self._making:
            if self._settings.name is None:
                self._made = None


def _load(file: Path) -> Embeddings:
    from motet.agents.minilm.model import MiniLM  # noqa: PLC0415 - its imports are an extra's, and aren't always needed

    return MiniLM(file)


def _from_provider(name: str, settings: EmbeddingSettings) -> Embeddings:
    """The embeddings `name` names; those of an OpenAI-compatible server with time limit and retries."""
    provider, colon, model = name.partition(":")
    if not (provider and colon and model):
        raise InvalidConfig(
            "MOTET_EMBEDDINGS",
            f"{name!r} is neither provider:model, such as openai:text-embedding-3-small, nor {OFF}",
        )
    options: dict[str, Any] = {"base_url": settings.base_url} if settings.base_url else {}
    if provider == "openai":
        # Passages are short, so text is sent as it is: counting tokens first would fetch a vocabulary.
        options |= {"timeout": settings.timeout_s, "max_retries": MAX_RETRIES, "check_embedding_ctx_length": False}
    try:
        return init_embeddings(model, provider=provider, **options)
    except openai.OpenAIError as no_key:
        if settings.base_url:
            return init_embeddings(model, provider=provider, api_key=_NO_KEY, **options)
        raise ModelUnavailable(
            name, "no key: set OPENAI_API_KEY, or MOTET_EMBEDDINGS_BASE_URL to a server of your own"
        ) from no_key
    except ImportError as missing:
        raise ModelUnavailable(name, f"the provider's package isn't installed: {missing}") from missing
    except ValidationError as refused:
        raise ModelUnavailable(
            name, f"{provider}'s client refuses its settings, often for want of a key: {refused}"
        ) from refused
    except ValueError as unknown:
        raise InvalidConfig("MOTET_EMBEDDINGS", str(unknown)) from unknown


class _Provided(Embeddings):
    """A provider's embeddings, with our error, so that who searches needn't know the provider."""

    def __init__(self, name: str, inner: Embeddings) -> None:
        self.model = name
        """Under it the index keeps the vectors."""
        self._inner = inner

    def embed_query(self, text: str) -> list[float]:
        with self._told():
            return self._inner.embed_query(text)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._told():
            return self._inner.embed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        with self._told():
            return await self._inner.aembed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._told():
            return await self._inner.aembed_documents(texts)

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except MODEL_ERRORS as error:
            raise ModelFailed(self.model, f"{type(error).__name__}: {error}") from error
