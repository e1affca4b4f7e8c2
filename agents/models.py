"""Which model the agents speak with: `provider:model` through LangChain, or the embedded one.

Only a name chooses another model: a key that lies around in the environment changes nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import openai
from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr, ValidationError

from motet.agents.constrained import ConstrainedChat
from motet.agents.embedded import CurrentAddress, EmbeddedModel, require_runtime
from motet.agents.local import CONTEXT_TOKENS
from motet.agents.weights import QWEN_CODER, find_weights
from motet.errors import InvalidConfig, ModelUnavailable
from motet.tools.index import Progress

EMBEDDED = "qwen2.5-coder-0.5b-instruct"
"""The embedded model's name on every call."""

MAX_RETRIES = 2
"""Repeats of a failed request, by the provider's own client."""

_ANSWER_TOKENS = 1024
_NO_KEY = SecretStr("none")
"""Sent to a server of one's own that asks for no key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """What the installation says about its model."""

    name: str | None
    """`provider:model` (MOTET_MODEL); None takes the embedded model."""
    base_url: str | None
    """A server that speaks the provider's API (MOTET_MODEL_BASE_URL), such as Ollama or vLLM."""
    file: Path | None
    """The embedded model's weights (MOTET_MODEL_FILE)."""
    data_dir: Path
    """Where fetched weights, and a fetched OpenMP runtime, are kept (MOTET_DATA_DIR)."""
    timeout_s: float
    """A model call may take so long, in seconds (MOTET_MODEL_TIMEOUT_SECONDS)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelNotice:
    """What a person is told before the first answer."""

    model: str
    """`provider:model`, or `embedded:…`."""
    text: str
    """What to expect of it, in whole sentences."""


class Models:
    """The installation's one model, made when first asked for. Close it with `aclose`.

    Raises (at once, so that a wrong setting is told at start-up):
        InvalidConfig: the name isn't `provider:model`, or the provider is unknown.
        ModelUnavailable: the provider's package or key is missing, or the embedded runtime.
    """

    def __init__(self, settings: ModelSettings, *, progress: Progress) -> None:
        self._settings = settings
        self._progress = progress
        self._making = asyncio.Lock()
        self._embedded: EmbeddedModel | None = None
        self._others: dict[str, BaseChatModel] = {}
        self._client: httpx.AsyncClient | None = None
        self._chat = _remote(settings) if settings.name else None
        if not settings.name:
            require_runtime()

    @property
    def notice(self) -> ModelNotice:
        """Which model is used and what to expect of it."""
        if self._settings.name:
            where = f" at {self._settings.base_url}" if self._settings.base_url else ""
            return ModelNotice(model=self._settings.name, text=f"Answers come from {self._settings.name}{where}.")
        return ModelNotice(
            model=f"embedded:{EMBEDDED}",
            text=(
                "Answers come from the embedded model, Qwen2.5-Coder 0.5B (491 MB, no key, nothing leaves this "
                "machine). It is small: it writes short SQL over a few tables well (14 of 15 questions that it was "
                "not tuned on), is no general assistant, and may be wrong without noticing. On 2 cores it writes "
                "about 25 tokens a second. Set MOTET_MODEL, for instance to openai:gpt-5-mini, to use another."
            ),
        )

    async def chat(self) -> BaseChatModel:
        """The chat model, ready to answer; the embedded one is fetched and started at the first call.

        Raises:
            ModelUnavailable: the embedded model can't be had or doesn't start; says what to do.
        """
        async with self._making:
            if self._chat is None:
                self._chat = await self._start_embedded()
            return self._chat

    async def named(self, name: str) -> BaseChatModel:
        """Another chat model, `provider:model`, made once; the base URL counts for the installation's provider only.

        Raises:
            InvalidConfig, ModelUnavailable: as for the installation's own model.
        """
        async with self._making:
            if name not in self._others:
                provider = name.partition(":")[0]
                same = (self._settings.name or "").partition(":")[0] == provider
                base_url = self._settings.base_url if same else None
                self._others[name] = _remote(replace(self._settings, name=name, base_url=base_url))
            return self._others[name]

    async def aclose(self) -> None:
        """End the embedded model's process, if there is one."""
        async with self._making:
            if self._embedded is not None:
                self._chat = None
                await self._embedded.aclose()
            if self._client is not None:
                await self._client.aclose()

    async def _start_embedded(self) -> BaseChatModel:
        file = await find_weights(
            QWEN_CODER, file=self._settings.file, data_dir=self._settings.data_dir, progress=self._progress
        )
        self._embedded = EmbeddedModel(file, data_dir=self._settings.data_dir, progress=self._progress)
        address = await self._embedded.base_url()
        self._client = httpx.AsyncClient(transport=CurrentAddress(self._embedded), timeout=self._settings.timeout_s)
        return ConstrainedChat(
            model=EMBEDDED,
            base_url=f"{address}/v1",
            api_key=_NO_KEY,
            http_async_client=self._client,
            temperature=0,
            max_completion_tokens=_ANSWER_TOKENS,
            timeout=self._settings.timeout_s,
            stream_chunk_timeout=self._settings.timeout_s,
            max_retries=MAX_RETRIES,
            stream_usage=True,
            use_responses_api=False,
            profile={"max_input_tokens": CONTEXT_TOKENS - _ANSWER_TOKENS},
        )


def _remote(settings: ModelSettings) -> BaseChatModel:
    """The model `settings.name` names, with its time limit and retries."""
    name = settings.name or ""
    provider, colon, model = name.partition(":")
    if not (provider and colon and model):
        raise InvalidConfig("MOTET_MODEL", f"{name!r} is not provider:model, such as openai:gpt-5-mini")
    options: dict[str, Any] = {"timeout": settings.timeout_s, "max_retries": MAX_RETRIES}
    if settings.base_url:
        options["base_url"] = settings.base_url
    try:
        return init_chat_model(model, model_provider=provider, **options)
    except openai.OpenAIError as no_key:
        if settings.base_url:
            return init_chat_model(model, model_provider=provider, api_key=_NO_KEY, **options)
        raise ModelUnavailable(
            name, "no key: set OPENAI_API_KEY, or MOTET_MODEL_BASE_URL to a server of your own"
        ) from no_key
    except ImportError as missing:
        extra = "pip install 'motet[anthropic]'" if provider == "anthropic" else str(missing)
        raise ModelUnavailable(name, f"the provider's package isn't installed: {extra}") from missing
    except ValidationError as refused:
        raise ModelUnavailable(
            name, f"{provider}'s client refuses its settings, often for want of a key: {refused}"
        ) from refused
    except ValueError as unknown:
        raise InvalidConfig("MOTET_MODEL", str(unknown)) from unknown
