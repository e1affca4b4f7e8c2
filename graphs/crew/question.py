"""What the assistant takes as a question, checked before a run is made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from langchain_core.messages import HumanMessage
from langchain_core.messages.utils import convert_to_messages

from motet.errors import InvalidInput

MAX_QUESTION = 32_000
"""Characters; a longer text is a document, and belongs into the workspace."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def check_question(given: Any) -> None:
    """Refuse an input that no specialist can work on, before a run is made of it.

    Raises:
        InvalidInput: no messages, the last isn't a person's, or its text is empty, too long or binary.
    """
    messages = cast("Mapping[str, Any]", given).get("messages") if isinstance(given, Mapping) else None
    if not isinstance(messages, list) or not messages:
        raise InvalidInput("input.messages", messages, "a list with at least one message")
    try:
        last = convert_to_messages(messages)[-1]
    except (ValueError, NotImplementedError, KeyError, TypeError) as error:
        raise InvalidInput("input.messages", messages, f"messages with role and content ({error})") from None
    field = f"input.messages[{len(messages) - 1}].content"
    if not isinstance(last, HumanMessage):
        raise InvalidInput(field, last.type, "a human message at the end")
    text = last.text
    if not text.strip():
        raise InvalidInput(field, text, "a question; it is empty")
    if len(text) > MAX_QUESTION:
        raise InvalidInput(
            field, text, f"at most {MAX_QUESTION} characters, not {len(text)}; put documents into the workspace"
        )
    if _CONTROL.search(text):
        raise InvalidInput(field, text, "text without control characters; this looks like binary data")
