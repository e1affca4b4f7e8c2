"""What `wait` and `join` answer with."""

from __future__ import annotations

from typing import Any

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


async def test_a_joined_run_answers_with_its_own_values(client: Any) -> None:
    """Who comes for a run after its thread has gone on gets what that run ended with."""
    thread_id = (await client.threads.create())["thread_id"]
    first = await client.runs.create(thread_id, "echo", input=HELLO)
    ended = await client.runs.join(thread_id, first["run_id"])
    await client.runs.wait(thread_id, "echo", input=HELLO)

    assert ended["log"] == ["turn 1"]
    assert await client.runs.join(thread_id, first["run_id"]) == ended


async def test_every_question_is_in_the_answer(client: Any) -> None:
    """A run that asks two things at a time answers with both, though each was told by itself."""
    thread_id = (await client.threads.create())["thread_id"]
    asked = await client.runs.wait(thread_id, "two_questions", input={})
    names = [one["value"]["question"] for one in asked["__interrupt__"]]

    assert sorted(names) == ["first", "second"]
