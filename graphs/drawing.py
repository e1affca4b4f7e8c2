"""A graph drawn: as Mermaid text, and as an SVG that is made here, without network, scripts or fonts of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast
from unicodedata import east_asian_width
from xml.etree import ElementTree as ET

from langchain_core.runnables.graph import CurveStyle
from langgraph.constants import END, START
from langgraph.pregel import Pregel

from motet.graphs.layout import Placed, Point, Size, place
from motet.graphs.registry import Graph

_CELL, _SMALL_CELL = 8.0, 6.8
"""Pixels that a character takes at most, of a name and of a small label: a fixed-width font's 0.6 em."""
_LONGEST = 36
"""Characters of a name that are shown; the whole name is the box's tooltip."""
_HEIGHT, _PADDING, _DOT = 34.0, 16.0, 14.0
_HEADER, _MARGIN, _CORNER = 30.0, 18.0, 8.0
_GAP, _GAP_WITH_LABELS = 40.0, 58.0
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_STYLE = """
.motet-graph { color-scheme: light dark; font-family: ui-monospace, Menlo, "DejaVu Sans Mono", monospace; }
.motet-graph .paper { fill: #ffffff; }
.motet-graph .frame { fill: #f6f8fa; stroke: #b9c2cc; }
.motet-graph .box { fill: #e8f0fe; stroke: #3f6fb5; }
.motet-graph .end { fill: #e6e8eb; stroke: #6b7480; }
.motet-graph text { fill: #1b2430; font-size: 13px; }
.motet-graph .name, .motet-graph .label { font-size: 11px; stroke: #f6f8fa; stroke-width: 4px; paint-order: stroke; }
.motet-graph .name { font-weight: bold; fill: #4a5563; }
.motet-graph .line { fill: none; stroke: #5b6673; stroke-width: 1.4; }
.motet-graph .tip { fill: #5b6673; }
@media (prefers-color-scheme: dark) {
.motet-graph .paper { fill: #0d1117; }
.motet-graph .frame { fill: #151b23; stroke: #3d4753; }
.motet-graph .box { fill: #16294a; stroke: #6ea0ea; }
.motet-graph .end { fill: #2a313a; stroke: #98a2ae; }
.motet-graph text { fill: #e6edf3; }
.motet-graph .name, .motet-graph .label { stroke: #151b23; }
.motet-graph .name { fill: #aab4c0; }
.motet-graph .line { stroke: #9aa6b3; }
.motet-graph .tip { fill: #9aa6b3; }
}
"""


def mermaid(graph: Graph, *, depth: int) -> str:
    """The graph in Mermaid's language, as LangGraph itself writes it.

    Args:
        graph: what is drawn; nothing of it is run.
        depth: how many levels of sub-graphs are opened.
    """
    return graph.get_graph(xray=depth).draw_mermaid(curve_style=CurveStyle.BASIS)


def svg(graph: Graph, *, title: str, depth: int) -> str:
    """The graph as an SVG document; the same graph always gives the same text.

    Nodes are boxes, opened sub-graphs frames with their name; a dashed line is one that may be taken.

    Args:
        graph: what is drawn; nothing of it is run.
        title: what readers are told it is, and screen readers say.
        depth: how many levels of sub-graphs are opened.
    """
    whole = _arranged(graph, depth, inner=False)
    width, height = whole.placed.width + 2 * _MARGIN, whole.placed.height + 2 * _MARGIN
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "motet-graph",
            "role": "img",
            "aria-label": _clean(f"{title}: {', '.join(one.name for one in whole.items)}"),
            "viewBox": f"0 0 {_px(width)} {_px(height)}",
            "width": _px(width),
            "height": _px(height),
        },
    )
    ET.SubElement(root, "title").text = _clean(title)
    ET.SubElement(root, "style").text = _STYLE
    tip = ET.SubElement(
        ET.SubElement(root, "defs"),
        "marker",
        {"id": "motet-tip", "viewBox": "0 0 8 8", "refX": "8", "refY": "4", "markerWidth": "8", "markerHeight": "8",
         "markerUnits": "userSpaceOnUse", "orient": "auto"},
    )  # fmt: skip
    ET.SubElement(tip, "path", {"class": "tip", "d": "M0,0 L8,4 L0,8 z"})
    ET.SubElement(root, "rect", {"class": "paper", "width": _px(width), "height": _px(height)})
    _draw(root, whole, (_MARGIN, _MARGIN))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    source: int
    target: int
    conditional: bool
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A node, or an opened sub-graph."""

    name: str
    size: Size
    inside: _Level | None = None
    dot: bool = False
    """Whether it is the beginning or the end of a sub-graph, which is drawn without a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """One graph, its sub-graphs already arranged."""

    items: Sequence[_Item]
    edges: Sequence[_Edge]
    loops: Sequence[_Edge]
    """From a node to itself."""
    placed: Placed


def _arranged(graph: Graph, depth: int, *, inner: bool) -> _Level:
    drawn = graph.get_graph()
    opened = _opened(graph) if depth > 0 else {}
    names = sorted(drawn.nodes, key=lambda name: (name != START, name == END))
    items = [_item(name, opened.get(name), depth, inner=inner) for name in names]
    number = {name: i for i, name in enumerate(names)}
    edges = sorted(
        (
            _Edge(
                source=number[one.source],
                target=number[one.target],
                conditional=one.conditional,
                label=_shown(str(one.data)) if one.data not in (None, one.target.strip("_")) else "",
            )
            for one in drawn.edges
        ),
        key=lambda one: (one.source, one.target),
    )
    between = [one for one in edges if one.source != one.target]
    loops = [one for one in edges if one.source == one.target]
    gap = _GAP_WITH_LABELS if any(one.label for one in edges) else _GAP
    placed = place([one.size for one in items], [(one.source, one.target) for one in between], gap_y=gap)
    return _Level(items=items, edges=between, loops=loops, placed=placed)


def _opened(graph: Graph) -> Mapping[str, Graph]:
    """The sub-graphs by their node's name; those that run elsewhere stay closed."""
    return {name: cast("Graph", one) for name, one in graph.get_subgraphs() if isinstance(one, Pregel)}


def _item(name: str, subgraph: Graph | None, depth: int, *, inner: bool) -> _Item:
    if subgraph is not None:
        inside = _arranged(subgraph, depth - 1, inner=True)
        titled = _cells(_shown(name)) * _SMALL_CELL + 2 * _PADDING
        width = max(inside.placed.width + 2 * _MARGIN, titled)
        return _Item(name=name, inside=inside, size=Size(width=width, height=inside.placed.height + _HEADER + _MARGIN))
    if name in {START, END}:
        if inner:
            return _Item(name=name.strip("_"), dot=True, size=Size(width=_DOT, height=_DOT))
        name = name.strip("_")
    width = max(_cells(_shown(name)) * _CELL + 2 * _PADDING, 2 * _HEIGHT)
    return _Item(name=name, size=Size(width=width, height=_HEIGHT))


def _draw(root: ET.Element, level: _Level, origin: Point) -> None:
    """Frames first and lines before boxes, so that nothing that is read is covered."""
    for item, centre in zip(level.items, level.placed.centres, strict=True):
        if item.inside is not None:
            _frame(root, item, item.inside, _moved(centre, origin))
    for edge, route in zip(level.edges, level.placed.routes, strict=True):
        _line(root, edge, [_moved(point, origin) for point in route])
    for loop in level.loops:
        _loop(root, loop, level.items[loop.source].size, _moved(level.placed.centres[loop.source], origin))
    for number, (item, centre) in enumerate(zip(level.items, level.placed.centres, strict=True)):
        if item.inside is None:
            ends = {edge.source for edge in level.edges}, {edge.target for edge in level.edges}
            _box(root, item, _moved(centre, origin), at_end=not all(number in those for those in ends))


def _frame(root: ET.Element, item: _Item, inside: _Level, centre: Point) -> None:
    left, top = centre[0] - item.size.width / 2, centre[1] - item.size.height / 2
    _rect(root, "frame", item.size, centre, corner=_CORNER)
    _text(root, "name", _shown(item.name), (left + _PADDING / 2, top + _PADDING), anchor="start")
    _draw(root, inside, (centre[0] - inside.placed.width / 2, top + _HEADER))


def _box(root: ET.Element, item: _Item, centre: Point, *, at_end: bool) -> None:
    group = ET.SubElement(root, "g")
    ET.SubElement(group, "title").text = _clean(item.name)
    style = "end" if at_end and item.name in {"start", "end"} else "box"
    _rect(group, style, item.size, centre, corner=_CORNER if style == "box" else item.size.height / 2)
    if not item.dot:
        _text(group, "", _shown(item.name), (centre[0], centre[1] + 4.5), anchor="middle")


def _line(root: ET.Element, edge: _Edge, route: Sequence[Point]) -> None:
    """Straight beside boxes, bent in the room between two layers."""
    path = [f"M{_at(route[0])}"]
    for number, (here, there) in enumerate(pairwise(route)):
        if here == there:
            continue
        if number % 2 == 0:
            path.append(f"L{_at(there)}")
        else:
            middle = (here[1] + there[1]) / 2
            path.append(f"C{_at((here[0], middle))} {_at((there[0], middle))} {_at(there)}")
    _path(root, edge, " ".join(path))
    if edge.label:
        (x, y), (to_x, to_y) = route[1], route[2]
        _text(root, "label", edge.label, ((x + to_x) / 2, (y + to_y) / 2 + 4), anchor="middle")


def _loop(root: ET.Element, edge: _Edge, size: Size, centre: Point) -> None:
    right, y = centre[0] + size.width / 2, centre[1]
    points = [_at((right + x, y + dy)) for x, dy in ((0, -8), (22, -18), (22, 18), (0, 8))]
    _path(root, edge, f"M{points[0]} C{' '.join(points[1:])}")
    if edge.label:
        _text(root, "label", edge.label, (right + 20, y + 4), anchor="start")


def _path(root: ET.Element, edge: _Edge, path: str) -> None:
    dashes = {"stroke-dasharray": "5 4"} if edge.conditional else {}
    ET.SubElement(root, "path", {"class": "line", "d": path, "marker-end": "url(#motet-tip)", **dashes})


def _rect(root: ET.Element, style: str, size: Size, centre: Point, *, corner: float) -> None:
    left, top = centre[0] - size.width / 2, centre[1] - size.height / 2
    places: Mapping[str, float] = {"x": left, "y": top, "width": size.width, "height": size.height, "rx": corner}
    ET.SubElement(root, "rect", {"class": style, **{name: _px(value) for name, value in places.items()}})


def _text(root: ET.Element, style: str, text: str, at: Point, *, anchor: str) -> None:
    styled = {"class": style} if style else {}
    ET.SubElement(root, "text", {**styled, "x": _px(at[0]), "y": _px(at[1]), "text-anchor": anchor}).text = text


def _shown(name: str) -> str:
    """As much of a name as a box takes, on one line."""
    name = " ".join(_clean(name).split())
    while _cells(name) > _LONGEST:
        name = f"{name.removesuffix('…')[:-1]}…"
    return name


def _cells(text: str) -> int:
    """Widths of a letter that `text` takes."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _clean(text: str) -> str:
    """Without what XML can't hold."""
    return _NOT_XML.sub("", text)


def _moved(point: Point, by: Point) -> Point:
    return point[0] + by[0], point[1] + by[1]


def _at(point: Point) -> str:
    return f"{_px(point[0])},{_px(point[1])}"


def _px(value: float) -> str:
    return str(round(float(value), 1)).removesuffix(".0")
