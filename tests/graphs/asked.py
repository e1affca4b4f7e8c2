"""Questions and answers as graphs and clients put them on the wire."""

from __future__ import annotations

from typing import Any

from motet.memory.ports import WaitingInterrupt

FIRST, SECOND = "1" * 32, "2" * 32
ARGUMENTS = {"to": "ada", "times": 1}
EDITED = {"to": "bob", "times": 2}
CALL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "times": {"type": "integer"}},
    "required": ["to"],
    "additionalProperties": False,
}


def batched(*allowed: str, actions: int = 1) -> dict[str, Any]:
    """LangChain's `HITLRequest`."""
    return {
        "action_requests": [{"name": "send", "args": ARGUMENTS, "description": f"{n}"} for n in range(actions)],
        "review_configs": [{"action_name": "send", "allowed_decisions": list(allowed)} for _ in range(actions)],
    }


def per_call() -> dict[str, Any]:
    """LangChain's `ToolApprovalRequest`."""
    return {"type": "tool_approval", "tool_call_id": "call_1", "name": "send", "args": ARGUMENTS, "description": "0"}


def per_call_schema(*allowed: str) -> dict[str, Any]:
    """The response schema beside it, as pydantic writes it for a tool with these arguments."""
    branches: dict[str, dict[str, Any]] = {
        "approve": {"properties": {"type": {"const": "approve"}}, "required": ["type"]},
        "edit": {
            "properties": {"type": {"const": "edit"}, "edited_action": {"$ref": "#/$defs/EditedAction"}},
            "required": ["type", "edited_action"],
        },
        "reject": {"properties": {"type": {"const": "reject"}, "message": {"type": "string"}}, "required": ["type"]},
        "respond": {
            "properties": {"type": {"const": "respond"}, "message": {"type": "string"}},
            "required": ["type", "message"],
        },
    }
    action = {
        "properties": {"name": {"const": "send"}, "args": {"$ref": "#/$defs/send"}},
        "required": ["name", "args"],
        "type": "object",
    }
    return {
        "$defs": {**{one: {**branches[one], "type": "object"} for one in allowed}, "EditedAction": action}
        | {"send": CALL_SCHEMA},
        "discriminator": {"propertyName": "type"},
        "oneOf": [{"$ref": f"#/$defs/{one}"} for one in allowed],
    }


def legacy(*, accept: bool = True, edit: bool = True, ignore: bool = True, respond: bool = True) -> dict[str, Any]:
    """The older `HumanInterrupt`."""
    config = {"allow_accept": accept, "allow_edit": edit, "allow_ignore": ignore, "allow_respond": respond}
    return {"action_request": {"action": "send", "args": ARGUMENTS}, "config": config, "description": "0"}


def waiting(value: Any, response_schema: Any = None, *, interrupt_id: str = FIRST, **more: Any) -> WaitingInterrupt:
    """The question as it waits on a thread."""
    return WaitingInterrupt(interrupt_id=interrupt_id, task_id="", value=value, response_schema=response_schema, **more)


ALL = ("approve", "edit", "reject", "respond")
QUESTIONS = {
    "hitl": waiting(batched(*ALL)),
    "tool_approval": waiting(per_call(), per_call_schema(*ALL)),
    "legacy": waiting(legacy()),
    "legacy in a list": waiting([legacy()]),
}
"""One call, asked about in each shape."""

SAID: dict[str, dict[str, Any]] = {
    "approve": {
        "one decision": {"type": "approve"},
        "decisions": {"decisions": [{"type": "approve"}]},
        "human response": {"type": "accept", "args": None},
        "human responses": [{"type": "accept", "args": {"action": "send", "args": ARGUMENTS}}],
        "agent inbox": {"decisions": [{"type": "approve", "args": {"action": "send", "args": ARGUMENTS}}]},
    },
    "edit": {
        "one decision": {"type": "edit", "edited_action": {"name": "send", "args": EDITED}},
        "decisions": {"decisions": [{"type": "edit", "edited_action": {"name": "send", "args": EDITED}}]},
        "human response": {"type": "edit", "args": {"action": "send", "args": EDITED}},
        "human responses": [{"type": "edit", "args": {"action": "send", "args": EDITED}}],
        "agent inbox": {"decisions": [{"type": "edit", "args": {"action": "send", "args": EDITED}}]},
        "ours": {"type": "edit", "arguments": EDITED},
    },
    "reject": {
        "one decision": {"type": "reject", "message": "no"},
        "decisions": {"decisions": [{"type": "reject", "message": "no"}]},
        "human response": {"type": "ignore", "args": "no"},
        "human responses": [{"type": "ignore", "args": "no"}],
        "agent inbox": {"decisions": [{"type": "reject", "args": "no"}]},
    },
    "respond": {
        "one decision": {"type": "respond", "message": "later"},
        "decisions": {"decisions": [{"type": "respond", "message": "later"}]},
        "human response": {"type": "response", "args": "later"},
        "human responses": [{"type": "response", "args": "later"}],
    },
}
"""What clients send for each decision, by whose way of writing it is."""

NATIVE: dict[str, dict[str, Any]] = {
    "hitl": {one: SAID[one]["decisions"] for one in ALL},
    "tool_approval": {one: SAID[one]["one decision"] for one in ALL},
    "legacy": {
        "approve": [{"type": "accept", "args": None}],
        **{one: SAID[one]["human responses"] for one in ALL if one != "approve"},
    },
}
NATIVE["legacy in a list"] = NATIVE["legacy"]
"""What the graph that asked is resumed with."""
