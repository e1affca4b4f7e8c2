"""Arranges a trajectory as a tree: runs, nodes by their paths, and in them the calls they made.

Tools that are agents hold what their agent did, a run that several workers tried holds each attempt, and the runs that
answered each other's questions stand below one root.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from motet.observability.names import Outcome
from motet.observability.trajectory.records import (
    FeedbackGiven,
    Interrupted,
    ModelCalled,
    NodeFinished,
    NodeStarted,
    Parted,
    Record,
    RunFinished,
    RunStarted,
    StoreCalled,
    ToolCalled,
    Truncated,
)

ENTRANCE = "__start__"

Kind = Literal[
    "trajectory", "run", "attempt", "node", "model", "tool", "store", "question", "answer", "feedback", "parted"
]


@dataclass(slots=True, kw_only=True)
class Branch:
    """One line of the tree, with what happened inside it, in order."""

    kind: Kind
    name: str
    """Graph, node, model, tool, or what feedback is about; empty for a question, an answer, memory and a parting."""
    path: str = ""
    """Of the task that it is, or in which it happened; see `records.Happened`."""
    started: str
    """ISO 8601, UTC."""
    duration_s: float | None = None
    """None while it lasts, and for what has no length."""
    tokens: int = 0
    """Of this and all inside it."""
    cost_usd: float | None = 0.0
    """Of this and all inside it; None where the price of any call isn't known."""
    outcome: Outcome | Literal["unfinished"] = "unfinished"
    """`unfinished` where no end was recorded: it goes on, or its worker died."""
    records: list[Record] = field(default_factory=list[Record], repr=False)
    """What it was made of, in order."""
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What is particular to the kind, JSON; `tree_detail` says what."""
    children: list[Branch] = field(default_factory=list["Branch"])

    @property
    def begin(self) -> datetime:
        """When it began."""
        return datetime.fromisoformat(self.started)

    @property
    def end(self) -> datetime:
        """When it ended, as far as known: of what has no end, the end of the last thing inside it."""
        if self.duration_s is not None:
            return self.begin + timedelta(seconds=self.duration_s)
        return max((child.end for child in self.children), default=self.begin)


def build(records: Iterable[Record]) -> Branch:
    """The tree of a trajectory: its run, or a `trajectory` of its runs; details are left empty.

    Raises:
        ValueError: there are no records.
    """
    attempts: dict[tuple[str, int], _Attempt] = {}
    for record in records:
        at = (record.run_id, record.attempt)
        if at not in attempts:
            attempts[at] = _Attempt(record)
        attempts[at].add(record)
    if not attempts:
        raise ValueError("a trajectory without records has no tree")
    by_run: dict[str, list[Branch]] = {}
    for (run_id, _), attempt in attempts.items():
        by_run.setdefault(run_id, []).append(attempt.finished())
    runs = [_run(tried) for tried in by_run.values()]
    return runs[0] if len(runs) == 1 else _above("trajectory", runs)


def walk(branch: Branch) -> Iterable[Branch]:
    """`branch` and all below it, in order."""
    yield branch
    for child in branch.children:
        yield from walk(child)


def as_json(branch: Branch) -> dict[str, Any]:
    """`branch` as JSON: its fields, without the records it was made of."""
    return {
        "kind": branch.kind,
        "name": branch.name,
        "path": branch.path,
        "started": branch.started,
        "duration_s": branch.duration_s,
        "tokens": branch.tokens,
        "cost_usd": branch.cost_usd,
        "outcome": branch.outcome,
        "detail": dict(branch.detail),
        "children": [as_json(child) for child in branch.children],
    }


class _Attempt:
    """Takes the records of one attempt at a run, in order."""

    def __init__(self, first: Record) -> None:
        self._root = Branch(kind="run", name=first.run_id, started=first.at)
        self._nodes: dict[str, Branch] = {}
        self._parted: Branch | None = None
        """Where it parts from what it is a fork of, until the call is known that does."""

    def add(self, record: Record) -> None:
        match record:
            case RunStarted():
                self._root.name = record.graph_id
                self._root.records.append(record)
                if record.command is not None or record.answers:
                    self._add(_moment("answer", record, "ok"))
            case NodeStarted():
                self._begin(record)
            case NodeFinished():
                self._end(record)
            case ModelCalled() | ToolCalled() | StoreCalled():
                self._inside(record.path).children.append(self._called(record))
            case Parted():
                self._parted = _moment("parted", record, "ok")
                self._inside(record.path).children.append(self._parted)
            case Interrupted() | FeedbackGiven():
                self._add(_by_people(record))
            case RunFinished():
                self._root.outcome, self._root.duration_s = record.outcome, record.totals.seconds
                self._root.records.append(record)
            case Truncated():
                self._root.records.append(record)
            case _:
                pass  # checkpoints say what nodes wrote, and those say it themselves

    def finished(self) -> Branch:
        _arrange(self._root)
        return self._root

    def _called(self, record: ModelCalled | ToolCalled | StoreCalled) -> Branch:
        """The call; one by which a fork parts stands behind the line that says so."""
        parted = self._parted
        if parted is not None and record.path == parted.path and getattr(record, "from_run", record.path) is None:
            parted.started, self._parted = record.at, None
        return _call(record)

    def _add(self, branch: Branch) -> None:
        self._root.children.append(branch)

    def _begin(self, record: NodeStarted) -> None:
        node = Branch(kind="node", name=_name(record), path=record.path, started=record.at, records=[record])
        self._inside(record.path.rpartition("|")[0]).children.append(node)
        self._nodes[record.path] = node

    def _end(self, record: NodeFinished) -> None:
        node = self._nodes.get(record.path)
        if node is None:
            began = datetime.fromisoformat(record.at).astimezone(UTC) - timedelta(seconds=record.duration_s)
            node = Branch(kind="node", name=_name(record), path=record.path, started=began.isoformat())
            self._inside(record.path.rpartition("|")[0]).children.append(node)
            self._nodes[record.path] = node
        node.duration_s, node.outcome = record.duration_s, record.outcome
        node.records.append(record)

    def _inside(self, path: str) -> Branch:
        """The innermost node known on `path`, else the run."""
        while path:
            if path in self._nodes:
                return self._nodes[path]
            path = path.rpartition("|")[0]
        return self._root


def _is_entrance(branch: Branch) -> bool:
    """Whether it is the task by which LangGraph hands a graph its input: nobody's node, and it does nothing."""
    return branch.kind == "node" and branch.name == ENTRANCE and not branch.children


def _name(record: NodeStarted | NodeFinished) -> str:
    return record.place.node or record.path.rpartition("|")[2].partition("@")[0]


def _moment(kind: Kind, record: Record, outcome: Outcome) -> Branch:
    return Branch(kind=kind, name="", path=record.path, started=record.at, outcome=outcome, records=[record])


def _by_people(record: Interrupted | FeedbackGiven) -> Branch:
    """What a person was asked, or said without being asked."""
    if isinstance(record, Interrupted):
        return _moment("question", record, "interrupted")
    branch = _moment("feedback", record, "ok")
    branch.name = record.key
    return branch


def _call(record: ModelCalled | ToolCalled | StoreCalled) -> Branch:
    branch = Branch(
        kind="store",
        name="",
        path=record.path,
        started=record.at,
        duration_s=record.duration_s,
        outcome=record.outcome,
        records=[record],
    )
    if isinstance(record, ModelCalled):
        branch.kind, branch.name = "model", record.model
        if record.from_run is None:
            branch.tokens, branch.cost_usd = record.usage.total_tokens, record.cost_usd
    elif isinstance(record, ToolCalled):
        branch.kind, branch.name = "tool", record.tool
    return branch


def _arrange(branch: Branch) -> None:
    """Order by time, put what a tool's agent did inside the tool, and add up tokens and cost."""
    tools = [child for child in branch.children if child.kind == "tool"]
    if branch.kind == "node" and tools:
        _nest(branch, tools)
    branch.children = [child for child in branch.children if not _is_entrance(child)]
    for child in branch.children:
        _arrange(child)
    branch.children.sort(key=lambda child: child.begin)
    branch.tokens += sum(child.tokens for child in branch.children)
    branch.cost_usd = _sum([branch.cost_usd, *(child.cost_usd for child in branch.children)])


def _nest(branch: Branch, tools: Sequence[Branch]) -> None:
    """A node that ran while exactly one of its parent's tools did belongs to that tool's agent."""
    stay: list[Branch] = []
    for child in branch.children:
        around = [tool for tool in tools if tool.begin <= child.begin <= tool.end] if child.kind == "node" else []
        (around[0].children if len(around) == 1 else stay).append(child)
    branch.children = stay


def _run(attempts: list[Branch]) -> Branch:
    if len(attempts) == 1:
        return attempts[0]
    for attempt in attempts:
        attempt.kind = "attempt"
    return _above("run", attempts)


def _above(kind: Kind, parts: list[Branch]) -> Branch:
    """What holds `parts`, from the first one's begin to the last one's end; ends as the last did."""
    first, last = parts[0], parts[-1]
    ended = last.duration_s is not None
    return Branch(
        kind=kind,
        name=first.name,
        started=first.started,
        duration_s=(last.end - first.begin).total_seconds() if ended else None,
        tokens=sum(part.tokens for part in parts),
        cost_usd=_sum([part.cost_usd for part in parts]),
        outcome=last.outcome,
        children=parts,
    )


def _sum(costs: Iterable[float | None]) -> float | None:
    known = list(costs)
    return None if None in known else sum(cost for cost in known if cost is not None)
