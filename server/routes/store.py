"""The store: items that outlive threads, by namespace and key. Users' memories are among them (`memory/recall.py`)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from langgraph.store.base import Item
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from motet.errors import InvalidInput, shortened
from motet.server import wire
from motet.server.deps import Authorised, Wired

router = APIRouter(prefix="/store", dependencies=[Authorised])

MAX_VALUE_BYTES = 1_048_576
"""Of one item, as JSON."""
_OPERATORS = frozenset({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"})
_MOST_LABELS = 16


def _label(label: str) -> str:
    if not label or "." in label or "\0" in label:
        raise ValueError("a label of a namespace is a text without period and NUL")
    return label


def _root(namespace: list[str]) -> list[str]:
    if namespace[:1] == ["langgraph"]:
        raise ValueError("a namespace can't begin with langgraph, which is LangGraph's own")
    return namespace


Label = Annotated[str, Field(max_length=256), AfterValidator(_label)]
Labels = Annotated[list[Label], Field(max_length=_MOST_LABELS)]
Namespace = Annotated[list[Label], Field(min_length=1, max_length=_MOST_LABELS), AfterValidator(_root)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Limit = Annotated[int, Field(ge=1, le=1_000)]
Offset = Annotated[int, Field(ge=0, le=1_000_000)]


class ItemPut(BaseModel):
    """An item to be stored, in the place of one with the same key."""

    model_config = ConfigDict(extra="forbid")

    namespace: Namespace
    key: Key
    value: dict[str, Any]
    index: Literal[False] | Annotated[list[str], Field(max_length=32)] | None = None
    """Fields to be found by meaning; False: none; None: as the store is set up."""
    ttl: Annotated[float, Field(gt=0, le=5_256_000)] | None = None
    """Minutes; None keeps it for good."""


class ItemNamed(BaseModel):
    """An item to be deleted."""

    model_config = ConfigDict(extra="forbid")

    namespace: Namespace
    key: Key


class ItemSearch(BaseModel):
    """Which items are wanted."""

    model_config = ConfigDict(extra="forbid")

    namespace_prefix: Labels
    filter: dict[str, Any] | None = None
    limit: Limit = 10
    offset: Offset = 0
    query: Annotated[str, Field(max_length=10_000)] | None = None
    refresh_ttl: bool | None = None


class NamespaceSearch(BaseModel):
    """Which namespaces are wanted; `*` in a prefix or suffix stands for any one label."""

    model_config = ConfigDict(extra="forbid")

    prefix: Labels | None = None
    suffix: Labels | None = None
    max_depth: Annotated[int, Field(ge=1, le=_MOST_LABELS)] | None = None
    limit: Limit = 100
    offset: Offset = 0


@router.put("/items", status_code=HTTPStatus.NO_CONTENT)
async def put(body: ItemPut, services: Wired) -> None:
    """Store an item; durable once this returns."""
    _check_json("value", body.value)
    if body.ttl is not None and not services.store.supports_ttl:
        raise InvalidInput("ttl", body.ttl, "nothing: items of this store don't expire")
    await services.store.aput(tuple(body.namespace), body.key, body.value, index=body.index, ttl=body.ttl)


@router.get("/items")
async def get(
    services: Wired,
    namespace: Annotated[str, Query(max_length=4_096)],
    key: Annotated[str, Query(min_length=1, max_length=512)],
    *,
    refresh_ttl: bool | None = None,
) -> wire.Wire | None:
    """The item, or null; `namespace` is its labels with periods between."""
    labels = tuple(namespace.split("."))
    if not all(labels) or len(labels) > _MOST_LABELS or any("\0" in one for one in labels):
        raise InvalidInput("namespace", namespace, f"1 to {_MOST_LABELS} labels with periods between")
    item = await services.store.aget(labels, key, refresh_ttl=refresh_ttl)
    return None if item is None else _as_wire(item)


@router.delete("/items", status_code=HTTPStatus.NO_CONTENT)
async def delete(body: ItemNamed, services: Wired) -> None:
    """Delete an item from every index; one that isn't there is deleted already."""
    await services.store.adelete(tuple(body.namespace), body.key)


@router.post("/items/search")
async def search(body: ItemSearch, services: Wired) -> wire.Wire:
    """Items under a prefix that fit the filter; those nearest to `query` first, if the store compares meanings."""
    _check_filter(body.filter)
    found = await services.store.asearch(
        tuple(body.namespace_prefix),
        query=body.query or None,
        filter=body.filter,
        limit=body.limit,
        offset=body.offset,
        refresh_ttl=body.refresh_ttl,
    )
    return {"items": [{**_as_wire(one), "score": one.score} for one in found]}


@router.post("/namespaces")
async def namespaces(body: NamespaceSearch, services: Wired) -> wire.Wire:
    """Namespaces that hold something, sorted."""
    found = await services.store.alist_namespaces(
        prefix=tuple(body.prefix) if body.prefix else None,
        suffix=tuple(body.suffix) if body.suffix else None,
        max_depth=body.max_depth,
        limit=body.limit,
        offset=body.offset,
    )
    return {"namespaces": [list(one) for one in found]}


def _as_wire(item: Item) -> wire.Wire:
    return {
        "namespace": list(item.namespace),
        "key": item.key,
        "value": item.value,
        "created_at": item.created_at.isoformat(),
        "updated_at": item.updated_at.isoformat(),
    }


def _check_json(field: str, value: dict[str, Any]) -> None:
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError as error:
        raise InvalidInput(field, value, f"whole characters and integers of 64 bits ({error})") from None
    if size > MAX_VALUE_BYTES:
        raise InvalidInput(field, f"{size} bytes", f"at most {MAX_VALUE_BYTES} bytes of JSON")


def _check_filter(wanted: dict[str, Any] | None) -> None:
    _check_json("filter", wanted or {})
    for name, asked in (wanted or {}).items():
        operators: dict[str, Any] = asked if isinstance(asked, dict) else {}
        if wrong := [one for one in operators if one.startswith("$") and one not in _OPERATORS]:
            raise InvalidInput(f"filter.{shortened(name)}", wrong[0], f"the operators {', '.join(sorted(_OPERATORS))}")
