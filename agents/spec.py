"""`AgentSpec`: who a specialist is, as a file says it.

A declaration is data: names of tools, models and agents, never code. `agent.schema.json` is its JSON Schema.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from motet.agents import strict_yaml
from motet.errors import InvalidConfig, shortened
from motet.tools.policy import Verdict

CREW = Path(__file__).parent / "crew"
"""Folder of the built-in declarations."""
SCHEMA_FILE = Path(__file__).parent / "agent.schema.json"

_SUFFIXES = frozenset({".yaml", ".yml"})
_OF_AGENTS = ("instructions", "tools", "model", "approvals", "handoffs", "output", "limits")
"""Fields that mean nothing for a graph, which is code of its own."""


def _schema(value: dict[str, Any]) -> dict[str, Any]:
    try:
        Draft202012Validator.check_schema(value)
    except SchemaError as error:
        raise PydanticCustomError("json_schema", "a JSON Schema; {reason}", {"reason": error.message[:200]}) from None
    if value.get("type") != "object":
        raise PydanticCustomError("json_schema", 'a JSON Schema with "type": "object"')
    return value


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+:\S+$")]


class CallLimits(BaseModel):
    """What one turn of an agent may do at most; the run's own budget bounds it besides."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    model_calls: Annotated[int, Field(ge=1, le=100)] = 12
    tool_calls: Annotated[int, Field(ge=0, le=200)] = 24
    """One more is answered with an error, so that the agent can still say what it found."""
    history_tokens: Annotated[int, Field(ge=500, le=1_000_000)] | None = None
    """From so many tokens on, roughly counted, the model gets older messages summarised; None: half of what it is
    known to take, at most 24,000."""


class AgentSpec(BaseModel):
    """A specialist of the crew."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        title="Motet agent",
        json_schema_extra={
            "if": {"properties": {"kind": {"const": "graph"}}, "required": ["kind"]},
            "then": {"properties": dict.fromkeys(_OF_AGENTS, False)},
            "else": {"required": ["instructions"]},
        },
    )

    name: Slug
    """Lower-case letters, digits, `_` and `-`; names its messages, findings and spans."""
    description: Line
    """What it is for, in a sentence or two; routing and other agents read it."""
    kind: Literal["agent", "graph"] = "agent"
    """`agent`: a model in a loop with tools. `graph`: the registered state machine of that name."""
    instructions: Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000)] = ""
    """The system prompt of an agent."""
    tools: Annotated[tuple[ToolName, ...], Field(strict=False)] = ()
    """Names of registered tools."""
    examples: Annotated[tuple[Line, ...], Field(strict=False, max_length=50)] = ()
    """Questions it is for, as people ask them; routing compares a question with these."""
    model: ModelName | None = None
    """`provider:model`; without it the installation's model."""
    limits: CallLimits = CallLimits()
    approvals: Mapping[ToolName, Verdict] = Field(default_factory=dict[str, Verdict])
    """By tool: `ask` a person, `allow` or `deny`; without it, reading is allowed and writing asks."""
    handoffs: Annotated[tuple[Slug, ...], Field(strict=False)] = ()
    """Agents it may hand its question over to."""
    output: Annotated[dict[str, Any], AfterValidator(_schema)] | None = None
    """JSON Schema (of an object) of what it gives beside its answer, as the finding's `data`."""

    @model_validator(mode="after")
    def _fields_fit_each_other(self) -> Self:
        if self.kind == "graph":
            for field in _OF_AGENTS:
                if field in self.model_fields_set:
                    raise _wrong(field, getattr(self, field), "nothing: a graph is code, only an agent takes this")
        elif not self.instructions:
            raise _wrong("instructions", self.instructions, "a text; an agent needs instructions")
        for tool in self.approvals:
            if tool not in self.tools:
                raise _wrong("approvals", tool, f"tools of this agent: {_listed(self.tools)}")
        for field, names in (("tools", self.tools), ("handoffs", self.handoffs)):
            if len(set(names)) < len(names):
                raise _wrong(field, list(names), "each name once")
        if self.name in self.handoffs:
            raise _wrong("handoffs", self.name, "other agents")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """Names that declarations may use."""

    tools: frozenset[str]
    graphs: frozenset[str]
    agents: frozenset[str] = frozenset()
    """Agents besides those declared in the same folder."""
    taken: frozenset[str] = frozenset()
    """Names that mean something else, so that no agent can have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a declaration can't be used."""

    file: str
    line: int
    """From 1."""
    field: str
    """Dotted path; empty for the file as a whole."""
    value: str
    """What was given, shortened; empty if nothing was."""
    allowed: str
    """What would have been accepted, as a phrase."""

    def __str__(self) -> str:
        given = f"{self.value} is not allowed; allowed: " if self.value else ""
        return f"{self.field}: {given}{self.allowed}" if self.field else self.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One file, and whether its declaration can be used."""

    file: str
    name: str
    """The agent's; empty where the file doesn't say."""
    problems: tuple[Problem, ...]
    spec: AgentSpec | None
    """None if it has problems of its own; one that only names what isn't there is still read."""


def load_folder(folder: Path, registered: Registered | None = None) -> tuple[AgentSpec, ...]:
    """Every declaration (`*.yaml`, `*.yml`) right in `folder`, by file name; their names checked by `registered`.

    Raises:
        InvalidConfig: the folder can't be read or holds none, one can't be used, two have one name, or one names a
            tool, graph or agent that isn't there.
    """
    return _usable(check_files(declarations(folder), registered))


def built_in() -> tuple[AgentSpec, ...]:
    """The crew that comes with Motet."""
    return load_folder(CREW)


def declarations(folder: Path) -> list[Path]:
    """The YAML files right in `folder`, sorted.

    Raises:
        InvalidConfig: it is no folder, or holds none.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    except OSError as error:
        raise InvalidConfig(str(folder), f"the folder can't be read: {error.strerror}") from error
    if not files:
        raise InvalidConfig(str(folder), "no agent is declared there (*.yaml)")
    return files


def check_files(files: Sequence[Path], registered: Registered | None = None) -> list[Checked]:
    """Everything that is wrong with the declarations in `files`, which make one crew; a file each, in their order."""
    read = [(path, *_examined(path)) for path in files]
    names = [spec.name for _, _, spec, _ in read if spec]
    known = registered and dataclasses.replace(registered, agents=registered.agents | frozenset(names))
    checked: list[Checked] = []
    for path, document, spec, wrong in read:
        problems = list(wrong)
        name = spec.name if spec else ""
        if spec and document:
            earlier = next((one.file for one in checked if one.name == spec.name), None)
            if earlier:
                problems.append(_at(path, document, "name", spec.name, f"a name of its own; {earlier} has this one"))
            if known:
                problems += _unknown_names(path, document, spec, known)
        checked.append(Checked(file=str(path), name=name, problems=tuple(problems), spec=spec))
    return checked


def _examined(path: Path) -> tuple[strict_yaml.Document | None, AgentSpec | None, list[Problem]]:
    try:
        document = strict_yaml.read(path)
    except InvalidConfig as error:
        line = error.source.removeprefix(f"{path}:")
        place = int(line) if line.isdigit() else 1
        return None, None, [Problem(file=str(path), line=place, field="", value="", allowed=error.reason)]
    if not isinstance(document.data, dict):
        allowed = f"a mapping is needed, with the fields {', '.join(AgentSpec.model_fields)}"
        return None, None, [Problem(file=str(path), line=1, field="", value="", allowed=allowed)]
    try:
        return document, AgentSpec.model_validate(document.data), []
    except ValidationError as error:
        return document, None, [_problem(path, document, item) for item in error.errors()]


def _unknown_names(
    path: Path, document: strict_yaml.Document, spec: AgentSpec, registered: Registered
) -> Iterator[Problem]:
    """The tools, graphs and agents that `spec` names and nobody registered."""
    if spec.name in registered.taken:
        yield _at(path, document, "name", spec.name, "a name that isn't a part of the assistant's own")
    if spec.kind == "graph" and spec.name not in registered.graphs:
        yield _at(path, document, "name", spec.name, f"a registered graph: {_listed(registered.graphs)}")
    for field, names, known in (
        ("tools", spec.tools, registered.tools),
        ("handoffs", spec.handoffs, registered.agents),
    ):
        for index, name in enumerate(names):
            if name not in known:
                yield _at(path, document, f"{field}.{index}", name, _listed(known))


def schema_text() -> str:
    """The JSON Schema of a declaration, as `agent.schema.json` holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **AgentSpec.model_json_schema()}
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _usable(checked: Sequence[Checked]) -> tuple[AgentSpec, ...]:
    """The declarations; the first problem, with those of the same file, is raised."""
    for one in checked:
        if one.problems:
            first, *more = one.problems
            said = "".join(f"; line {problem.line}: {problem}" for problem in more)
            raise InvalidConfig(f"{first.file}:{first.line}", f"{first}{said}")
    return tuple(one.spec for one in checked if one.spec)


def _at(path: Path, document: strict_yaml.Document, field: str, value: str, allowed: str) -> Problem:
    place = [int(step) if step.isdigit() else step for step in field.split(".")]
    line = document.line_of(place)
    return Problem(file=str(path), line=line, field=field, value=shortened(value), allowed=allowed)


def _wrong(field: str, value: object, allowed: str) -> PydanticCustomError:
    return PydanticCustomError("motet", "{allowed}", {"field": field, "value": shortened(value), "allowed": allowed})


def _problem(path: Path, document: strict_yaml.Document, error: ErrorDetails) -> Problem:
    context, place = error.get("ctx", {}), error["loc"]
    allowed, value = error["msg"].removeprefix("Input should be "), shortened(error["input"])
    if error["type"] == "motet":
        place, value = (str(context["field"]),), str(context["value"])
    elif error["type"] == "missing":
        allowed, value = "it is required", ""
    elif error["type"] == "extra_forbidden":
        inner = CallLimits if place[:1] == ("limits",) else AgentSpec
        allowed = f"the fields {', '.join(inner.model_fields)}"
    field = ".".join(str(step) for step in place if step != "[key]")
    return Problem(file=str(path), line=document.line_of(place), field=field, value=value, allowed=allowed)


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
