"""Where the boxes and lines of a drawn graph go: layers from top to bottom, by Sugiyama's method.

The library ranks and orders boxes as if all were of one size; here they get their real sizes.
The same boxes and lines always give the same places.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fast_sugiyama import from_edges

GAP_X = 28.0
"""Pixels between boxes of one layer."""
_DUMMY_GAP = 18.0
"""Pixels beside a line that passes a layer."""
_SPREAD = 0.7
"""Share of a box's side on which its lines begin and end."""
_UNIT = 100.0

Point = tuple[float, float]
"""x to the right, y downwards, in pixels."""
Line = tuple[int, int]
"""Indexes of the boxes it leads from and to; never the same twice."""
_Pass = tuple[float, float, float]
"""Where a line is in one layer: x, and the layer's top and height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A box to be placed, in pixels."""

    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Boxes and lines with their places; the top left corner of all is 0, 0."""

    centres: Sequence[Point]
    routes: Sequence[Sequence[Point]]
    """Points of each line, an even number: it runs straight from the 2nd to the 3rd, the 4th to the 5th and so on,
    which is beside the boxes of a layer, and bends in between, which is in the room between two layers."""
    width: float
    height: float


def place(sizes: Sequence[Size], lines: Sequence[Line], *, gap_y: float) -> Placed:
    """Place boxes so that lines lead downwards wherever they don't close a cycle.

    Args:
        sizes: at least one box; the first is the uppermost.
        lines: between boxes, none twice, none from a box to itself.
        gap_y: pixels between layers.
    """
    downwards = _acyclic(len(sizes), lines)
    ties = _ties(len(sizes), set(downwards))
    columns, layers, chains = _ranked(len(sizes), sorted({*downwards, *ties}))
    xs = _stretched(columns, layers, [size.width for size in sizes])
    tops, heights = _rows(layers, sizes, gap_y)
    layer_of = {vertex: number for number, row in enumerate(layers) for vertex in row}
    left = min(xs[i] - size.width / 2 for i, size in enumerate(sizes))
    left = min(left, *xs.values())
    centres = [(xs[i] - left, tops[layer_of[i]] + heights[layer_of[i]] / 2) for i in range(len(sizes))]
    columns = {vertex: x - left for vertex, x in xs.items()}
    ways = [[line[0], *chains.get(line, ()), line[1]] for line in downwards]
    passed = [[(columns[v], tops[layer_of[v]], heights[layer_of[v]]) for v in way] for way in ways]
    routes = _attached(sizes, centres, downwards, passed)
    return Placed(
        centres=centres,
        routes=[
            route if line == down else route[::-1] for line, down, route in zip(lines, downwards, routes, strict=True)
        ],
        width=max(
            *(centres[i][0] + size.width / 2 for i, size in enumerate(sizes)),
            *(point[0] for route in routes for point in route),
            0.0,
        ),
        height=tops[-1] + heights[-1],
    )


def _acyclic(count: int, lines: Sequence[Line]) -> list[Line]:
    """The lines, with those turned round that close a cycle: that lead back to where fewer steps lead."""
    after: dict[int, list[int]] = defaultdict(list)
    for source, target in lines:
        after[source].append(target)
    steps = _steps(count, after)
    leads = {box: _steps(count, after, start=box).keys() for box in range(count)}
    return [(b, a) if a in leads[b] and (steps[b], b) < (steps[a], a) else (a, b) for a, b in lines]


def _steps(count: int, after: Mapping[int, Sequence[int]], *, start: int | None = None) -> dict[int, int]:
    """The fewest lines from `start` to each box it leads to; without it to every box, from the first before it."""
    steps: dict[int, int] = {}
    for begin in range(count) if start is None else (start,):
        row = [] if begin in steps else [begin]
        number = 0
        while row:
            steps.update(dict.fromkeys(row, number))
            number += 1
            row = sorted({box for one in row for box in after.get(one, ()) if box not in steps})
    return steps


def _ties(count: int, lines: set[Line]) -> set[Line]:
    """Lines nobody draws: from the first box to those that nothing leads to, so that all hang together."""
    reached = {target for _, target in lines}
    return {(0, box) for box in range(1, count) if box not in reached}


def _ranked(
    count: int, lines: Sequence[Line]
) -> tuple[Mapping[int, float], Sequence[Sequence[int]], Mapping[Line, Sequence[int]]]:
    """A column for each vertex, the layers from the top, and the vertices that each long line passes.

    Vertices from `count` on are no boxes: they hold the place of a line in a layer that it passes.
    """
    if not lines:
        return {0: 0.0}, [[0]], {}
    (positions, _, _, segments), *_ = from_edges(
        lines, minimum_length=1, vertex_spacing=_UNIT, dummy_vertices=True, check_layout=False
    )
    columns = {int(vertex): round(float(x) / _UNIT, 2) for vertex, (x, _) in positions}
    rows: dict[float, list[int]] = defaultdict(list)
    for vertex, (_, y) in positions:
        rows[-round(float(y), 1)].append(int(vertex))
    layers = [sorted(rows[y], key=lambda vertex: (columns[vertex], vertex)) for y in sorted(rows)]
    after: dict[int, int] = {}
    begun: list[Line] = []
    for a, b in segments or ():
        source, target = int(a), int(b)
        if source >= count:
            after[source] = target
        elif target >= count:
            begun.append((source, target))
    chains: dict[Line, Sequence[int]] = {}
    for source, first in begun:
        chain = [first]
        while (following := after[chain[-1]]) >= count:
            chain.append(following)
        chains[source, after[chain[-1]]] = chain
    return columns, layers, chains


def _stretched(
    columns: Mapping[int, float], layers: Sequence[Sequence[int]], widths: Sequence[float]
) -> dict[int, float]:
    """Pixels for columns: each space between two columns grows until what stands beside each other has room.

    Columns stay columns, and what stands in the middle of others stays there.
    """
    places = sorted(set(columns.values()))
    number = {place: i for i, place in enumerate(places)}
    pairs = [(a, b) for row in layers for a, b in pairwise(row)]

    def needed(a: int, b: int) -> float:
        sizes = [widths[vertex] if vertex < len(widths) else 0.0 for vertex in (a, b)]
        return sum(sizes) / 2 + (GAP_X if max(a, b) < len(widths) else _DUMMY_GAP)

    factor = min((needed(a, b) / (columns[b] - columns[a]) for a, b in pairs), default=1.0)
    spaces = [(right - left) * factor for left, right in pairwise(places)]
    for a, b in sorted(pairs, key=lambda pair: (number[columns[pair[1]]] - number[columns[pair[0]]], pair)):
        span = range(number[columns[a]], number[columns[b]])
        there = sum(spaces[i] for i in span)
        if there < needed(a, b):
            for i in span:
                spaces[i] *= needed(a, b) / there
    pixels = {place: sum(spaces[:i]) for i, place in enumerate(places)}
    return {vertex: pixels[place] for vertex, place in columns.items()}


def _rows(
    layers: Sequence[Sequence[int]], sizes: Sequence[Size], gap_y: float
) -> tuple[Sequence[float], Sequence[float]]:
    """Top and height of each layer."""
    heights = [max((sizes[vertex].height for vertex in row if vertex < len(sizes)), default=0.0) for row in layers]
    tops = [sum(heights[:i]) + i * gap_y for i in range(len(heights))]
    return tops, heights


def _attached(
    sizes: Sequence[Size], centres: Sequence[Point], lines: Sequence[Line], passed: Sequence[Sequence[_Pass]]
) -> list[list[Point]]:
    """Each line's points; at a box lines begin and end side by side, in the order in which they come in."""
    sides: dict[tuple[int, bool], list[tuple[float, int]]] = defaultdict(list)
    for number, (source, target) in enumerate(lines):
        sides[source, False].append((passed[number][1][0], number))
        sides[target, True].append((passed[number][-2][0], number))
    ends: dict[tuple[int, bool], float] = {}
    for (box, above), ordered in sides.items():
        room = sizes[box].width * _SPREAD
        for turn, (_, number) in enumerate(sorted(ordered)):
            ends[number, above] = centres[box][0] + room * ((turn + 0.5) / len(ordered) - 0.5)
    routes: list[list[Point]] = []
    for number, (source, target) in enumerate(lines):
        (_, top, height), *between, (_, bottom, _) = passed[number]
        first, last = ends[number, False], ends[number, True]
        begin, end = centres[source][1] + sizes[source].height / 2, centres[target][1] - sizes[target].height / 2
        beside = [point for x, y, tall in between for point in ((x, y), (x, y + tall))]
        routes.append([(first, begin), (first, top + height), *beside, (last, bottom), (last, end)])
    return routes
