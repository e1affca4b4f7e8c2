"""The cases by which agentevals and openevals are tested themselves, told again in few words.

Source: agentevals 0.0.9, `tests/test_trajectory.py`, openevals, `python/tests/trajectory/test_trajectory.py`, and the
graph trajectories of agentevals (README, `js/src/graph_trajectory/tests/graph_trajectory_strict.test.ts`, and
`python/tests/graph_trajectory/test_graph_trajectory_match.py` of its repository); all of them MIT licensed. Where a
case compares arguments by a function of its own, it stands here with `ignore`, which says the same of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from motet.observability.evaluation.example import Json
from motet.observability.evaluation.graded import Mode
from motet.observability.evaluation.tool_arguments import ArgumentsMode, Override

Call = tuple[str, Json]

WEATHER = "get_weather"
SF, LONDON, BOTH = {"city": "SF"}, {"city": "London"}, {"city": "SF and London"}
SAN_FRANCISCO = {"city": "San Francisco"}
UPGRADES, FIRST, FOO, BAR = ({"query": one} for one in ("flight upgrades", "first class", "foo", "bar"))
SPAN = {"time": {"start": "2025-03-22T18:34:40Z", "end": "2025-03-22T20:34:40Z"}}
OTHER_END = {"time": {"start": "2025-03-22T18:34:40Z", "end": "baz"}}
FLIGHT, LOOKED_UP = "get_flight_info", "lookup_policy"


def asked(*rounds: Sequence[Call], ends: bool = True) -> Sequence[Json]:
    """A question, rounds of calls with a result each, and an answer."""
    told: list[Json] = [{"role": "user", "content": "a question"}]
    for n, calls in enumerate(rounds):
        told.append(calling(*calls, n=n))
        told += [{"role": "tool", "tool_call_id": f"{n}-{m}", "content": "a result"} for m in range(len(calls))]
    return [*told, {"role": "assistant", "content": "an answer"}] if ends else told


def calling(*calls: Call, n: int = 0) -> Json:
    """A message that asks for tools."""
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"type": "function", "id": f"{n}-{m}", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for m, (name, arguments) in enumerate(calls)
        ],
    }


def without_results(*calls: Call) -> Sequence[Json]:
    """A question, calls, and an answer at once."""
    return [
        {"role": "user", "content": "a question"},
        calling(*calls),
        {"role": "assistant", "content": "an answer"},
    ]


def langchain(tool: str, arguments: Json, call_id: str) -> Sequence[Json]:
    """A question, a call and an answer, as LangChain's messages are JSON."""
    return [
        {"type": "human", "content": "a question"},
        {"type": "ai", "content": "", "tool_calls": [{"name": tool, "args": arguments, "id": call_id}]},
        {"type": "tool", "content": "a result", "tool_call_id": call_id},
        {"type": "ai", "content": "an answer"},
    ]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What was done, what should have been, and what each mode says of it."""

    name: str
    outputs: Sequence[Json]
    reference: Sequence[Json]
    expected: Mapping[Mode, bool]
    arguments: ArgumentsMode = "exact"
    tools: Mapping[str, Override] = field(default_factory=dict[str, Any])


EVERY: Mapping[Mode, bool] = {"strict": True, "unordered": True, "subset": True, "superset": True}
NONE: Mapping[Mode, bool] = dict.fromkeys(EVERY, False)
BUT_STRICT: Mapping[Mode, bool] = {**EVERY, "strict": False}
ONLY_SUBSET: Mapping[Mode, bool] = {**NONE, "subset": True}
ONLY_SUPERSET: Mapping[Mode, bool] = {**NONE, "superset": True}


def weather(city: Json) -> Call:
    """A call."""
    return (WEATHER, city)


OFFERED = (FLIGHT, {"flight_no": "LX0112"})


def by_mode(**says: bool) -> list[tuple[ArgumentsMode, bool]]:
    """By the arguments' mode, of the strict one."""
    modes: Sequence[ArgumentsMode] = ("exact", "ignore", "subset", "superset")
    return [(mode, says[mode]) for mode in modes if mode in says]


CASES: Sequence[Case] = [
    Case(
        name="one call, other words",
        outputs=asked([weather(SAN_FRANCISCO)]),
        reference=asked([weather(SAN_FRANCISCO)]),
        expected=EVERY,
    ),
    Case(
        name="two calls of one message, the other way round",
        outputs=asked([weather(SF), weather(LONDON)]),
        reference=asked([weather(LONDON), weather(SF)]),
        expected=EVERY,
    ),
    Case(
        name="two calls in two messages, expected in one",
        outputs=asked([weather(SF)], [weather(LONDON)]),
        reference=asked([weather(LONDON), weather(SF)]),
        expected=BUT_STRICT,
    ),
    Case(
        name="one call of the two",
        outputs=asked([weather(SF)]),
        reference=asked([weather(LONDON), weather(SF)]),
        expected=ONLY_SUBSET,
    ),
    Case(
        name="another tool",
        outputs=asked([weather(SF)]),
        reference=asked([("accuweather_forecast", SAN_FRANCISCO)]),
        expected=NONE,
    ),
    Case(
        name="one call more, any arguments",
        outputs=asked([weather(SAN_FRANCISCO), weather(LONDON)]),
        reference=asked([weather(BOTH)]),
        expected=ONLY_SUPERSET,
        tools={WEATHER: "ignore"},
    ),
    Case(
        name="one call fewer, any arguments",
        outputs=asked([weather(BOTH)]),
        reference=asked([weather(SAN_FRANCISCO), weather(LONDON)]),
        expected=ONLY_SUBSET,
        tools={WEATHER: "ignore"},
    ),
    Case(
        name="flights searched although nobody expected it, other queries",
        outputs=asked(
            [("fetch_user_flight_information", {})],
            [("search_flights", {"departure_airport": "CDG", "arrival_airport": "BSL"})],
            [(LOOKED_UP, UPGRADES), (LOOKED_UP, FIRST)],
        ),
        reference=asked(
            [("fetch_user_flight_information", {})],
            [(LOOKED_UP, {"query": "upgrade to first class"}), (LOOKED_UP, FOO)],
        ),
        expected=NONE,
    ),
    Case(
        name="the same, whatever the query",
        outputs=asked(
            [("fetch_user_flight_information", {})],
            [("search_flights", {"departure_airport": "CDG", "arrival_airport": "BSL"})],
            [(LOOKED_UP, UPGRADES), (LOOKED_UP, FIRST)],
        ),
        reference=asked(
            [("fetch_user_flight_information", {})],
            [(LOOKED_UP, {"query": "upgrade to first class"}), (LOOKED_UP, FOO)],
        ),
        expected=ONLY_SUPERSET,
        tools={LOOKED_UP: "ignore"},
    ),
    Case(
        name="the same begin of a span, another end",
        outputs=asked(
            [("fetch_user_flight_information", {"user_id": "123"})],
            [(LOOKED_UP, {**UPGRADES, **SPAN}), (LOOKED_UP, {**FIRST, **SPAN})],
        ),
        reference=asked(
            [("fetch_user_flight_information", {"user_id": "123"})],
            [(LOOKED_UP, {**FOO, **OTHER_END}), (LOOKED_UP, {**BAR, **OTHER_END})],
        ),
        expected=EVERY,
        tools={LOOKED_UP: ["time.start"]},
    ),
    Case(
        name="the same with every argument",
        outputs=asked(
            [("fetch_user_flight_information", {"user_id": "123"})],
            [(LOOKED_UP, {**UPGRADES, **SPAN}), (LOOKED_UP, {**FIRST, **SPAN})],
        ),
        reference=asked(
            [("fetch_user_flight_information", {"user_id": "123"})],
            [(LOOKED_UP, {**FOO, **OTHER_END}), (LOOKED_UP, {**BAR, **OTHER_END})],
        ),
        expected=NONE,
    ),
    Case(
        name="an argument that counts and nobody tells",
        outputs=[calling((LOOKED_UP, {"time": {"end": "2025-03-22T20:34:40Z"}}))],
        reference=[calling((LOOKED_UP, {"time": {"end": "2025-03-22T20:34:40Z"}}))],
        expected={"strict": False},
        tools={LOOKED_UP: ["time.start"]},
    ),
    Case(
        name="LangChain's messages",
        outputs=langchain(WEATHER, SAN_FRANCISCO, "1234"),
        reference=langchain(WEATHER, SAN_FRANCISCO, "4321"),
        expected=EVERY,
    ),
    Case(
        name="LangChain's messages, another tool",
        outputs=langchain(WEATHER, SF, "1234"),
        reference=langchain("accuweather_forecast", SAN_FRANCISCO, "4321"),
        expected=NONE,
    ),
    *(
        Case(
            name=f"an argument more, {mode}",
            outputs=without_results((FLIGHT, {"is_cool": True, "flight_no": "LX0112"})),
            reference=without_results(OFFERED),
            expected={"strict": says},
            arguments=mode,
        )
        for mode, says in by_mode(exact=False, ignore=True, subset=False, superset=True)
    ),
    *(
        Case(
            name=f"an argument fewer, {mode}",
            outputs=without_results(OFFERED),
            reference=without_results((FLIGHT, {"flight_no": "LX0112", "foo": "bar"})),
            expected={"strict": says},
            arguments=mode,
        )
        for mode, says in by_mode(exact=False, ignore=True, subset=True, superset=False)
    ),
    *(
        Case(
            name=f"the same argument, {mode}",
            outputs=without_results(OFFERED),
            reference=without_results(OFFERED),
            expected={"strict": says},
            arguments=mode,
        )
        for mode, says in by_mode(exact=True, ignore=True, subset=True, superset=True)
    ),
    *(
        Case(
            name=f"another city, {mode}",
            outputs=asked([weather(SF)]),
            reference=asked([weather(SAN_FRANCISCO)]),
            expected={"strict": says},
            arguments=mode,
        )
        for mode, says in by_mode(exact=False, ignore=True)
    ),
]


@dataclass(frozen=True, kw_only=True)
class GraphCase:
    """Two paths through a graph, and what each mode says."""

    name: str
    outputs: Sequence[str]
    reference: Sequence[str]
    expected: Mapping[Mode, bool]


TWICE = ("agent", "tools", "__interrupt__", "agent")

GRAPH_CASES: Sequence[GraphCase] = [
    GraphCase(name="the README's: a tool that asks", outputs=TWICE, reference=TWICE, expected=EVERY),
    GraphCase(
        name="the strict test's: a node that asks",
        outputs=("agent", "interrupt", "__interrupt__"),
        reference=("agent", "interrupt", "__interrupt__"),
        expected={"strict": True},
    ),
    GraphCase(
        name="another order",
        outputs=("tools", "agent", "agent"),
        reference=("agent", "tools", "agent"),
        expected=BUT_STRICT,
    ),
    GraphCase(
        name="a node more",
        outputs=("agent", "tools", "retriever", "agent"),
        reference=("agent", "tools", "agent"),
        expected=ONLY_SUPERSET,
    ),
    GraphCase(name="nodes fewer", outputs=("agent",), reference=("agent", "tools", "agent"), expected=ONLY_SUBSET),
    GraphCase(name="other nodes", outputs=("planner", "executor"), reference=("agent", "tools"), expected=NONE),
    GraphCase(
        name="a graph in a graph",
        outputs=("outer_1", "inner", "inner/inner_1", "inner/inner_2", "outer_2"),
        reference=("outer_1", "inner", "inner/inner_1", "inner/inner_2", "outer_2"),
        expected=EVERY,
    ),
    GraphCase(
        name="a node not often enough",
        outputs=("agent", "tools", "agent"),
        reference=("agent", "tools", "agent", "agent"),
        expected={"unordered": False},
    ),
    GraphCase(
        name="a node too often",
        outputs=("agent", "tools", "agent", "agent"),
        reference=("agent", "tools", "agent"),
        expected={"superset": True},
    ),
    GraphCase(
        name="a question that nobody expected",
        outputs=TWICE,
        reference=("agent", "tools", "agent"),
        expected={"strict": False},
    ),
]
"""Of steps turn by turn, without the begin of each; `inner:node` is `inner/node` here. One case isn't taken: the same
nodes spread over other turns, which strictly are others there. A path has no turns."""
