"""Arranges a run's records as a tree: run, nodes by namespace, and in them the calls they made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from motet.observability.names import Outcome
from motet.observability.trajectory.model import (
    Interrupted,
    ModelCalled,
    NodeFinished,
    NodeStarted,
    Record,
    RunFinished,
    RunStarted,
    ToolCalled,
)

Kind = Literal["run", "node", "model", "tool", "interrupt"]


@dataclass(slots=True, kw_only=True)
class Branch:
    """One line of the tree, with what happened inside it, by time."""

    kind: Kind
    name: str
    """Graph, node, model or tool; for an interrupt the node that asked, if known."""
    started: str
    """ISO 8601, UTC."""
    duration_s: float | None = None
    """None while it lasts, and for what has no length."""
    tokens: int = 0
    """Of this and all inside it."""
    outcome: Outcome | Literal["unfinished"] = "unfinished"
    """`unfinished` where no end was recorded: it goes on, or its worker died."""
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What is particular to the kind, JSON: agent, step, messages, arguments, result, error, …"""
    children: list[Branch] = field(default_factory=list["Branch"])


def build(records: Iterable[Record]) -> Branch:
    """The tree of one run; several attempts at it stand in one tree.

    Raises:
        ValueError: there are no records.
    """
    builder = _Builder()
    for record in records:
        builder.add(record)
    return builder.finished()


class _Builder:
    """Takes records in order. A node's later execution in the same namespace follows the earlier."""

    def __init__(self) -> None:
        self._run: Branch | None = None
        self._nodes: dict[str, Branch] = {}

    def add(self, record: Record) -> None:
        run = self._run or self._begin(record)
        match record:
            case RunStarted():
                run.name = record.graph_id
                run.detail = {"run_id": record.run_id, "thread_id": record.thread_id, "attempts": record.attempt}
            case NodeStarted():
                node = Branch(
                    kind="node",
                    name=record.place.node,
                    started=record.at,
                    detail={"agent": record.place.agent, "step": record.place.step},
                )
                self._parent(record.place.namespace, of_node=True).children.append(node)
                self._nodes[record.place.namespace] = node
            case NodeFinished():
                node = self._nodes.get(record.place.namespace)
                if node is not None:
                    node.duration_s, node.outcome = record.duration_s, record.outcome
                    node.detail = {**node.detail, **_error(record.error)}
            case ModelCalled() | ToolCalled():
                self._parent(record.place.namespace).children.append(_call(record))
            case Interrupted():
                asked = [{"id": question.interrupt_id, "value": question.value} for question in record.questions]
                run.children.append(
                    Branch(
                        kind="interrupt",
                        name=record.place.node,
                        started=record.at,
                        outcome="interrupted",
                        detail={"questions": asked},
                    )
                )
            case RunFinished():
                run.outcome, run.duration_s = record.outcome, record.totals.seconds
                run.detail = {**run.detail, **_spent(record), **_error(record.error)}

    def finished(self) -> Branch:
        if self._run is None:
            raise ValueError("a run without records has no tree")
        _arrange(self._run)
        return self._run

    def _begin(self, first: Record) -> Branch:
        self._run = Branch(kind="run", name=first.run_id, started=first.at)
        return self._run

    def _parent(self, namespace: str, *, of_node: bool = False) -> Branch:
        """The innermost node that `namespace` lies in (a call lies in its own node), else the run."""
        parts = namespace.split("|")
        for length in range(len(parts) - of_node, 0, -1):
            node = self._nodes.get("|".join(parts[:length]))
            if node is not None:
                return node
        assert self._run is not None
        return self._run


def _call(record: ModelCalled | ToolCalled) -> Branch:
    place = {"agent": record.place.agent}
    if isinstance(record, ModelCalled):
        said: dict[str, Any] = {
            "messages": record.messages,
            "params": record.params,
            "response": record.response,
            "first_token_s": record.first_token_s,
        }
        kind, name, tokens = "model", record.model, record.usage.total_tokens
    else:
        said = {"arguments": record.arguments, "result": record.result, "call_id": record.call_id}
        kind, name, tokens = "tool", record.tool, 0
    return Branch(
        kind="model" if kind == "model" else "tool",
        name=name,
        started=record.at,
        duration_s=record.duration_s,
        tokens=tokens,
        outcome=record.outcome,
        detail={**place, **said, **_error(record.error)},
    )


def _arrange(branch: Branch) -> None:
    """Order by time, put what a tool ran inside it, and add up tokens."""
    tools = [child for child in branch.children if child.kind == "tool"]
    if branch.kind == "node" and len(tools) == 1:
        # With one tool call in a node, the nodes that ran meanwhile are the sub-agent it called.
        inner = [child for child in branch.children if child.kind == "node" and _within(tools[0], child)]
        tools[0].children = inner
        branch.children = [child for child in branch.children if child not in inner]
    for child in branch.children:
        _arrange(child)
    branch.children.sort(key=lambda child: datetime.fromisoformat(child.started))
    branch.tokens += sum(child.tokens for child in branch.children)


def _within(tool: Branch, node: Branch) -> bool:
    since = datetime.fromisoformat(node.started) - datetime.fromisoformat(tool.started)
    return 0 <= since.total_seconds() <= (tool.duration_s or 0)


def _spent(record: RunFinished) -> dict[str, Any]:
    totals = record.totals
    spent = {"model_calls": totals.model_calls, "tool_calls": totals.tool_calls, "tokens": totals.tokens}
    return {**spent, "lost": record.lost} if record.lost else spent


def _error(error: str | None) -> dict[str, str]:
    return {"error": error} if error else {}
