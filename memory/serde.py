"""How state becomes bytes: LangGraph's own format, reviving only classes that are listed.

The library's default revives any class that a stored byte string names, by importing and calling it.
Whoever can write to the store could so run code in every process that reads it. Here an unlisted
class comes back as the plain data it was made of.

What the format changes: a tuple becomes a list, a lone surrogate becomes "?". An integer beyond
64 bits can't be stored (TypeError).
"""

from __future__ import annotations

from collections.abc import Iterable

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer


def state_serializer(classes: Iterable[type] = ()) -> JsonPlusSerializer:
    """A serializer for messages, LangGraph's own types, standard values and `classes`; never pickle.

    `classes`: a project's dataclasses, Pydantic models and enums that its states hold.
    """
    return JsonPlusSerializer(
        pickle_fallback=False,
        allowed_json_modules=None,
        # An empty list would be the same as None, which is strict; the sentinel default is not.
        allowed_msgpack_modules=tuple(classes) or None,
    )
