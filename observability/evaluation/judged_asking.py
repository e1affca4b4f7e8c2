"""One question to a judge, put through openevals where the model can give structured output."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage

from motet import calls
from motet.observability.evaluation.evaluator import Means, Trial
from motet.observability.evaluation.judged_prompt import Prompt, Unreadable, read
from motet.observability.evaluation.openevals_quietly import untraced

WARM = 0.7
"""Temperature of a judge that is asked several times and would answer the same each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What a judge said once."""

    score: bool | int | str | None
    """None where its reply can't be used."""
    reason: str
    seed: int
    problem: str = ""
    """Why there is no score."""
    input_tokens: int = 0
    output_tokens: int = 0


class NoJudge(Exception):
    """No model can be had to judge; says why."""


async def judge_of(means: Means, model: str) -> BaseChatModel:
    """The model that judges. Raises NoJudge."""
    if means.chat is None:
        raise NoJudge("there is no model here that could judge")
    try:
        return await means.chat(model)
    except Exception as error:  # a provider's client has errors of its own
        raise NoJudge(f"{type(error).__name__}: {error}") from error


def seed_of(trial: Trial, *what: object) -> int:
    """What is drawn with for a trial: 31 bits of its seed, example and repeat, and of what it is for."""
    told = "\x1f".join(map(str, (trial.seed, trial.example.example_id, trial.repeat, *what)))
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:4], "big") >> 1


def seeded(model: BaseChatModel, seed: int, *, several: bool) -> BaseChatModel:
    """`model` with this seed, where it takes one; warm enough that `several` answers can differ."""
    fields = type(model).model_fields
    update: dict[str, Any] = {"seed": seed} if "seed" in fields else {}
    if several and getattr(model, "temperature", None) == 0:
        update["temperature"] = WARM
    return model.model_copy(update=update) if update else model


async def vote(
    model: BaseChatModel, prompt: Prompt, schema: Mapping[str, Any], allowed: Sequence[bool | int | str], seed: int
) -> Vote:
    """What `model` says, read strictly; raises nothing."""
    try:
        raw, parsed = await _replied(model, prompt, schema)
    except Exception as error:  # noqa: BLE001 - a provider's client has errors of its own
        return Vote(score=None, reason="", seed=seed, problem=f"{type(error).__name__}: {error}")
    used = raw.usage_metadata
    read_, written = (used["input_tokens"], used["output_tokens"]) if used else (0, 0)
    try:
        score, reason = read(raw.text if raw.text.strip() else parsed or "", allowed)
    except Unreadable as rubbish:
        return Vote(
            score=None, reason=raw.text, seed=seed, problem=str(rubbish), input_tokens=read_, output_tokens=written
        )
    return Vote(score=score, reason=reason, seed=seed, input_tokens=read_, output_tokens=written)


async def _replied(
    model: BaseChatModel, prompt: Prompt, schema: Mapping[str, Any]
) -> tuple[AIMessage, Mapping[str, Any] | None]:
    """The reply as it came, and as the model's own structured output reads it; by its words alone where it has none."""
    from openevals.llm import create_async_llm_as_judge  # noqa: PLC0415 - it takes more than a second

    asked = create_async_llm_as_judge(
        prompt=lambda **_: cast("Any", prompt.messages()),
        judge=model,
        output_schema=dict(schema),
        structured_output_kwargs={"include_raw": True},
    )
    with untraced():
        try:
            reply = cast("Mapping[str, Any]", await asked(outputs=""))
        except NotImplementedError:
            return await model.ainvoke(cast("Any", prompt.messages())), None
    parsed = reply["parsed"]
    return cast("AIMessage", reply["raw"]), parsed if isinstance(parsed, Mapping) else None


def named(model: BaseChatModel) -> str:
    """The name a provider knows it by."""
    return calls.model_name(model)
