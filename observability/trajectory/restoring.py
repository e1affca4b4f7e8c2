"""The way back from contents: the value again, or JSON for people and comparison."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import ormsgpack
from langgraph.checkpoint.serde import jsonplus
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from motet.errors import NotRestorable
from motet.observability.trajectory.records import CUT, Ref
from motet.observability.trajectory.references import elements
from motet.observability.trajectory.trees import is_message

_ALWAYS = frozenset({"type", "content"})
"""Fields of a message that are shown also when they are empty."""


def restore(ref: Ref, contents: Mapping[Ref, bytes], serde: SerializerProtocol) -> Any:
    """The value again, by the serializer of the graph that it is for.

    Raises:
        NotRestorable: it isn't among `contents`, was too large to keep, or had no form; says which.
        TypeNotAllowed: as the serializer does.
    """
    built = _built(_tree(ref, contents), contents)
    packed = ormsgpack.packb(built, option=ormsgpack.OPT_NON_STR_KEYS)
    plain_serde = serde.serde if isinstance(serde, EncryptedSerializer) else serde
    return plain_serde.loads_typed(("msgpack", packed))


def plain(ref_or_tree: Any, contents: Mapping[Ref, bytes]) -> Any:
    """JSON that reads well. Never raises.

    Messages are `{"type", "content", …}` with those of their fields that aren't empty; other classes are their fields
    with `"class"`; lists are whole again. What isn't there is `{"cut": true}`, `{"missing": ref}` or `{"lost": class}`.
    """
    if not isinstance(ref_or_tree, str):
        return _shown(ref_or_tree, contents)
    try:
        return _shown(_tree(ref_or_tree, contents), contents)
    except NotRestorable:
        return {"cut": True} if ref_or_tree == CUT else {"missing": ref_or_tree}


def _tree(ref: Ref, contents: Mapping[Ref, bytes]) -> Any:
    if ref == CUT:
        raise NotRestorable(ref, "it was too large to be kept")
    data = contents.get(ref)
    if data is None:
        raise NotRestorable(ref, "it isn't there")
    return orjson.loads(data)


def _pieces(told: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for piece, texts in zip(told[::2], told[1::2], strict=True):
        module, name, fields, *rest = piece["value"]
        alike = [{**piece, "value": [module, name, {**fields, "content": text}, *rest]} for text in texts]
        found += [piece, *alike]
    return found


def _built(tree: Any, contents: Mapping[Ref, bytes]) -> Any:
    """What MessagePack is to hold."""
    if isinstance(tree, list):
        return [_built(one, contents) for one in tree]
    if not isinstance(tree, dict):
        return tree
    build = _BUILT.get(next(iter(tree), ""))
    if build is not None:
        return build(tree, contents)
    return {name: _built(inner, contents) for name, inner in tree.items()}


def _extension(tree: Mapping[str, Any], contents: Mapping[Ref, bytes]) -> Any:
    held = ormsgpack.packb(_built(tree["value"], contents), option=ormsgpack.OPT_NON_STR_KEYS)
    return ormsgpack.Ext(tree["$ext"], held)


def _refused(tree: Mapping[str, Any], _: Mapping[Ref, bytes]) -> Any:
    raise NotRestorable(str(tree["$lost"]), "a value of this class had no form when it was recorded")


def _every(tree: Mapping[str, Any], contents: Mapping[Ref, bytes]) -> Sequence[Ref]:
    """The elements of a list, where all its rows are there."""
    for row in tree.get("$rows", ()):
        _every(_tree(row, contents), contents)
    return elements(tree, contents)


def _key(tree: Any, contents: Mapping[Ref, bytes]) -> Any:
    built = _built(tree, contents)
    return tuple(built) if isinstance(built, list) else built


_BUILT: Mapping[str, Callable[[Mapping[str, Any], Mapping[Ref, bytes]], Any]] = {
    "$map": lambda tree, contents: {_key(k, contents): _built(v, contents) for k, v in tree["$map"]},
    "$bytes": lambda tree, _: base64.b64decode(tree["$bytes"]),
    "$float": lambda tree, _: float(tree["$float"]),
    "$list": lambda tree, contents: [_built(_tree(ref, contents), contents) for ref in tree["$list"]],
    "$rows": lambda tree, contents: [_built(_tree(ref, contents), contents) for ref in _every(tree, contents)],
    "$pieces": lambda tree, contents: [_built(one, contents) for one in _pieces(tree["$pieces"])],
    "$ext": _extension,
    "$lost": _refused,
}


def _shown(tree: Any, contents: Mapping[Ref, bytes]) -> Any:
    if isinstance(tree, list):
        return [_shown(one, contents) for one in tree]
    if not isinstance(tree, dict):
        return tree
    show = _SHOWN.get(next(iter(tree), ""))
    return show(tree, contents) if show else {name: _shown(inner, contents) for name, inner in tree.items()}


def _shown_lost(tree: Mapping[str, Any], contents: Mapping[Ref, bytes]) -> Any:
    shown = _shown(tree.get("shown"), contents)
    return _message(shown) if isinstance(shown, dict) else {"lost": tree["$lost"]}


def _shown_map(tree: Mapping[str, Any], contents: Mapping[Ref, bytes]) -> Any:
    """A mapping whose keys are text is shown as it was, whatever its first key looks like here."""
    pairs = [(_shown(key, contents), _shown(value, contents)) for key, value in tree["$map"]]
    of_text = all(isinstance(key, str) for key, _ in tree["$map"])
    return dict(pairs) if of_text else {"map": [list(pair) for pair in pairs]}


_SHOWN: Mapping[str, Callable[[Mapping[str, Any], Mapping[Ref, bytes]], Any]] = {
    "$map": _shown_map,
    "$list": lambda tree, contents: [plain(ref, contents) for ref in tree["$list"]],
    "$rows": lambda tree, contents: [plain(ref, contents) for ref in elements(tree, contents)],
    "$pieces": lambda tree, contents: [_shown(one, contents) for one in _pieces(tree["$pieces"])],
    "$bytes": lambda tree, _: {"bytes": tree["$bytes"]},
    "$float": lambda tree, _: tree["$float"],
    "$ext": lambda tree, contents: _of_class(tree["$ext"], _shown(tree["value"], contents), message=is_message(tree)),
    "$lost": _shown_lost,
}


def _of_class(code: int, held: Any, *, message: bool) -> Any:
    match held:
        case [str(), str(), dict() as fields, *_] if message:
            return _message(fields)
        case [str() as module, str() as name, dict() as fields, *_]:
            return {"class": f"{module}:{name}", **fields}
        case [str(), str(), inner, str()] if code == jsonplus.EXT_METHOD_SINGLE_ARG:
            return inner
        case ["langgraph.types", "Send", [node, given, *_]]:
            return {"class": "langgraph.types:Send", "node": node, "arg": given}
        case [str() as module, str() as name, inner, *_]:
            return {"class": f"{module}:{name}", "value": inner}
        case _:
            return {"class": f"extension {code}", "value": held}


def _message(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in _ALWAYS or (value and name != "chunk_position")}
