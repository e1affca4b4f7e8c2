"""JSON Schemas of answers: which decisions one offers, and whether an answer fits it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from motet.memory.asking import ALL_DECISIONS, DecisionType

Schema = Mapping[str, Any]

_DEPTH = 8
"""How many references and alternatives within each other are followed."""
_REFERRED = re.compile(r'"\$ref":"#/\$defs/([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What a schema of one decision offers."""

    allowed: Sequence[DecisionType]
    arguments_schema: Schema | None
    """What the arguments of an edit must fit; None where edits aren't offered, or no schema says."""


def offered(schema: Schema | None, *, root: Schema | None = None) -> Offered:
    """What a schema of one decision offers; nothing, if it isn't of LangChain's form.

    Args:
        schema: the decision's: one object, or alternatives told apart by `type`.
        root: the whole schema that it is a part of, which its references are into.
    """
    whole = root or schema or {}
    found = dict[DecisionType, Schema]()
    for branch in _branches(schema or {}, whole, _DEPTH):
        kind = _object(_object(branch.get("properties")).get("type"))
        named = [kind.get("const"), *_list(kind.get("enum"))]
        found |= {name: branch for name in ALL_DECISIONS if name in named and name not in found}
    allowed: Sequence[DecisionType] = [name for name in ALL_DECISIONS if name in found]
    return Offered(allowed=allowed, arguments_schema=_edited(found["edit"], whole) if "edit" in found else None)


def misfit(schema: Schema, value: Any) -> ValidationError | None:
    """What is most wrong with `value`, if anything.

    A schema that is none refuses nothing: LangGraph shows such a one to clients too, and checks nothing by it.
    References out of the schema are never fetched.
    """
    try:
        Draft202012Validator.check_schema(schema)
        return best_match(Draft202012Validator(schema, registry=Registry()).iter_errors(value))
    except (SchemaError, Unresolvable, RecursionError, re.error):
        return None


def _edited(branch: Schema, root: Schema) -> Schema | None:
    edited = _followed(_object(branch.get("properties")).get("edited_action"), root)
    arguments = _followed(_object(edited.get("properties")).get("args"), root)
    return _with_definitions(arguments, root) if arguments else None


def _branches(schema: Schema, root: Schema, depth: int) -> Iterator[Schema]:
    if depth == 0:
        return
    schema = _followed(schema, root)
    alternatives = [*_list(schema.get("oneOf")), *_list(schema.get("anyOf"))]
    if not alternatives:
        yield schema
    for one in alternatives:
        yield from _branches(_object(one), root, depth - 1)


def _followed(schema: Any, root: Schema) -> Schema:
    """The schema that `schema` refers to, or itself; empty for one that refers to nothing that is there."""
    found = _object(schema)
    for _ in range(_DEPTH):
        reference = found.get("$ref")
        if not isinstance(reference, str):
            return found
        place: Any = root if reference.startswith("#") else {}
        for step in reference.removeprefix("#").split("/")[1:]:
            place = _object(_object(place).get(step))
        found = _object(place)
    return {}


def _with_definitions(schema: Schema, root: Schema) -> Schema:
    """The schema with those of the root's definitions that it needs, so that it stands by itself."""
    definitions, needed, todo = _object(root.get("$defs")), dict[str, Any](), [schema]
    while todo:
        for name in _REFERRED.findall(orjson.dumps(todo.pop()).decode()):
            if name in definitions and name not in needed:
                needed[name] = definitions[name]
                todo.append(definitions[name])
    return {**schema, "$defs": {**needed, **_object(schema.get("$defs"))}} if needed else schema


def _object(value: Any) -> Schema:
    return cast("Schema", value) if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list | tuple) else ()
