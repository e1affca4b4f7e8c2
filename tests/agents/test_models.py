"""Which model is used: only a name chooses, and a wrong one is told at once."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import pytest
from langchain_openai import ChatOpenAI

from motet.agents.models import Models, ModelSettings
from motet.errors import InvalidConfig, ModelUnavailable


def ignore(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


def settings(
    *, name: str | None = None, base_url: str | None = None, file: Path | None = None, data_dir: Path = Path("unused")
) -> ModelSettings:
    """Settings with what the test is about."""
    return ModelSettings(name=name, base_url=base_url, file=file, data_dir=data_dir, timeout_s=12.5)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without keys."""
    for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(key, raising=False)


@pytest.mark.parametrize("name", ["gpt-5-mini", ":gpt", "openai:", "nobody:model"])
def test_a_name_that_is_no_provider_and_model_is_refused(name: str) -> None:
    """The error names the variable and shows what is wrong with it."""
    with pytest.raises(InvalidConfig, match="MOTET_MODEL"):
        Models(settings(name=name), progress=ignore)


def test_a_missing_key_is_told() -> None:
    """A provider that wants a key says which variable holds it."""
    with pytest.raises(ModelUnavailable, match="set OPENAI_API_KEY"):
        Models(settings(name="openai:gpt-5-mini"), progress=ignore)


def test_a_missing_package_is_told_with_the_command_that_installs_it() -> None:
    """A provider whose package isn't there names it."""
    with pytest.raises(ModelUnavailable, match="pip install"):
        Models(settings(name="groq:llama"), progress=ignore)


async def test_a_server_of_ones_own_needs_no_key() -> None:
    """With a base URL the model is made, with its time limit and bounded retries."""
    async with aclosing(
        Models(settings(name="openai:llama3", base_url="http://127.0.0.1:9/v1"), progress=ignore)
    ) as models:
        chat = await models.chat()

    assert isinstance(chat, ChatOpenAI)
    assert (chat.model_name, chat.openai_api_base) == ("llama3", "http://127.0.0.1:9/v1")
    assert (chat.request_timeout, chat.max_retries) == (12.5, 2)


async def test_the_same_model_is_given_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """`chat` makes the model once."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    models = Models(settings(name="openai:gpt-5-mini"), progress=ignore)

    assert await models.chat() is await models.chat()
    assert models.notice.model == "openai:gpt-5-mini"


def test_a_key_in_the_environment_chooses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name the embedded model is used, and its notice says what to expect."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")

    notice = Models(settings(), progress=ignore).notice

    assert notice.model == "embedded:qwen2.5-coder-0.5b-instruct"
    assert "no general assistant" in notice.text
    assert "MOTET_MODEL" in notice.text


async def test_a_wrong_weights_file_is_told_when_the_model_is_first_asked_for(tmp_path: Path) -> None:
    """Making `Models` fetches nothing; the first `chat` refuses the wrong file."""
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"x")

    async with aclosing(Models(settings(file=wrong, data_dir=tmp_path), progress=ignore)) as models:
        with pytest.raises(ModelUnavailable, match="MOTET_MODEL_FILE"):
            await models.chat()
