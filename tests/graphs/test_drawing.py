"""A drawn graph: readable XML in which nothing overlaps, the same for the same graph."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypedDict
from xml.etree import ElementTree as ET

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send

from motet.graphs.drawing import mermaid, svg
from motet.graphs.layout import Size, place
from motet.graphs.registry import Graph

NS = {"": "http://www.w3.org/2000/svg"}
SPECIALISTS = ["analyst", "librarian", "reporter"]
DRAWN = """
import sys
sys.path.insert(0, {root!r})
from tests.graphs.test_drawing import crew
from motet.graphs.drawing import svg
sys.stdout.write(svg(crew(), title="crew", depth=1))
"""


class Nothing(TypedDict, total=False):
    """A state that is never looked at."""

    x: int


def nothing(state: Nothing) -> Nothing:
    """A node that is never run."""
    return state


def chain(names: Sequence[str], back: Mapping[str, str]) -> Graph:
    """Nodes one after the other; some may lead back."""
    builder = StateGraph(Nothing)
    for name in names:
        builder.add_node(name, nothing)
    for source, target in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(source, target)
    for source, target in back.items():
        builder.add_conditional_edges(source, lambda _: "again", {"again": target})
    return builder.compile()


def crew() -> Graph:
    """A graph with everything: fan-out, sub-graphs, labels, and ways back."""
    builder = StateGraph(Nothing)
    for name in ("guard_in", "route", "compose", "verify", "guard_out", "reporter"):
        builder.add_node(name, nothing)
    builder.add_node("analyst", chain(["draft", "check", "execute"], {"check": "draft"}))
    builder.add_node("librarian", chain(["search", "read", "answer"], {"answer": "search"}))
    builder.add_edge(START, "guard_in")
    builder.add_edge("guard_in", "route")
    builder.add_conditional_edges("route", lambda _: [Send(one, {}) for one in SPECIALISTS], SPECIALISTS)
    for name in SPECIALISTS:
        builder.add_edge(name, "compose")
    builder.add_edge("compose", "verify")
    builder.add_conditional_edges(
        "verify", lambda _: "holds", {"holds": "guard_out", **{name: name for name in SPECIALISTS}}
    )
    builder.add_edge("guard_out", END)
    return builder.compile()


Box = tuple[float, float, float, float]


def boxes(drawing: str, style: str) -> list[Box]:
    """Left, top, right and bottom of each rectangle of that kind."""
    found: list[Box] = []
    for rect in ET.fromstring(drawing).iterfind(f".//rect[@class='{style}']", NS):  # noqa: S314  our own text
        x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


def texts(drawing: str) -> list[str]:
    """All that is written in the drawing, titles left out."""
    return [one.text or "" for one in ET.fromstring(drawing).iterfind(".//text", NS)]  # noqa: S314  our own text


def apart(one: Box, other: Box) -> bool:
    """Whether two rectangles share no point."""
    return one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]


def test_every_node_is_named_and_apart_from_the_others() -> None:
    """Opened sub-graphs show their nodes too, and no box lies on another."""
    drawing = svg(crew(), title="crew", depth=1)

    expected = {"guard_in", "route", "compose", "verify", "guard_out", "reporter", "draft", "search", "read", "analyst"}
    assert expected <= set(texts(drawing))
    found = boxes(drawing, "box")
    assert len(found) == 6 + 3 + 3
    assert all(apart(one, other) for one, other in combinations(found, 2))


def test_sub_graphs_are_frames_around_their_nodes() -> None:
    """Frames don't overlap, and each holds its three nodes whole."""
    drawing = svg(crew(), title="crew", depth=1)
    frames = boxes(drawing, "frame")

    assert len(frames) == 2
    assert apart(*frames)
    for left, top, right, bottom in frames:
        inside = [b for b in boxes(drawing, "box") if left < b[0] and top < b[1] and b[2] < right and b[3] < bottom]
        assert len(inside) == 3


def test_without_depth_a_sub_graph_is_one_node() -> None:
    """Depth 0 opens nothing."""
    drawing = svg(crew(), title="crew", depth=0)

    assert not boxes(drawing, "frame")
    assert "analyst" in texts(drawing)
    assert "draft" not in texts(drawing)


def test_what_may_happen_is_dashed_and_labelled() -> None:
    """Choices are dashed and carry their label where it isn't the node's own name; certain ways are not."""
    drawing = svg(crew(), title="crew", depth=0)
    lines = list(ET.fromstring(drawing).iterfind(".//path[@class='line']", NS))  # noqa: S314  our own text

    assert len([line for line in lines if "stroke-dasharray" in line.attrib]) == 3 + 4
    assert len([line for line in lines if "stroke-dasharray" not in line.attrib]) == 2 + 3 + 1 + 1
    assert "holds" in texts(drawing)
    assert texts(drawing).count("reporter") == 1


def test_it_is_read_without_a_network_and_told_to_those_who_cannot_see() -> None:
    """A title, a role and a label; nothing that runs or is fetched; both colour schemes."""
    drawing = svg(crew(), title="The <crew> & more", depth=1)
    root = ET.fromstring(drawing)  # noqa: S314  our own text

    title = root.find("title", NS)
    assert title is not None
    assert title.text == "The <crew> & more"
    assert root.attrib["role"] == "img"
    assert "guard_in" in root.attrib["aria-label"]
    assert "prefers-color-scheme: dark" in drawing
    assert drawing.count("http") == 1
    assert "script" not in drawing


@pytest.mark.parametrize("name", ["a" * 200, "質問に答える", 'quote"<&>\x01'])
def test_no_name_leaves_its_box(name: str) -> None:
    """A long name is cut where its box ends, and is still there whole as the tooltip; any text is valid XML."""
    drawing = svg(chain([name], {}), title="one", depth=1)
    left, _, right, _ = boxes(drawing, "box")[0]
    shown = next(text for text in texts(drawing) if text not in {"start", "end"})

    assert sum(13 if ord(character) > 0x2E80 else 7.9 for character in shown) <= right - left
    assert f"<title>{'a' * 200}</title>" in drawing or len(name) < 200


def test_the_same_graph_gives_the_same_bytes() -> None:
    """Another process, with another order of its sets, draws the same."""
    here = svg(crew(), title="crew", depth=1)

    code = DRAWN.format(root=str(__file__).rsplit("/tests/", 1)[0])
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert there.stdout == here


def test_a_node_that_leads_to_itself_or_nowhere_is_drawn() -> None:
    """Graphs that route by commands alone have nodes without lines, and lines that return at once."""

    def route(state: Nothing) -> Command[str]:
        del state
        return Command(goto="lonely")

    builder = StateGraph(Nothing).add_node("begin", route).add_node("lonely", nothing)
    builder.add_edge(START, "begin")
    builder.add_conditional_edges("begin", lambda _: "begin", {"once more": "begin", "done": END})
    drawing = svg(builder.compile(), title="odd", depth=1)

    assert {"begin", "lonely", "once more"} <= set(texts(drawing))
    assert apart(*boxes(drawing, "box"))


def test_ways_back_lead_upwards() -> None:
    """A cycle doesn't turn the graph upside down: only the line that closes it leads up."""
    size = Size(width=80, height=34)
    lines = [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (4, 5), (5, 2), (5, 3), (5, 6)]
    placed = place([size] * 7, lines, gap_y=40)

    up = [line for line, route in zip(lines, placed.routes, strict=True) if route[-1][1] < route[0][1]]
    assert up == [(5, 2), (5, 3)]


def test_a_box_alone_is_placed() -> None:
    """A graph of one node needs no lines."""
    placed = place([Size(width=80, height=34)], [], gap_y=40)

    assert (placed.centres, placed.width, placed.height) == ([(40.0, 17.0)], 80.0, 34.0)


def test_mermaid_is_langgraphs_own() -> None:
    """The text has the sub-graphs and the choices."""
    text = mermaid(crew(), depth=1)

    assert "graph TD;" in text
    assert "subgraph librarian" in text
    assert "route -.-> reporter;" in text
