"""What a request's JSON can carry and nothing here can write down again."""

from __future__ import annotations

import orjson
from pydantic import BaseModel

from motet.errors import InvalidInput


def check_json(field: str, value: object) -> None:
    """Refuse half a surrogate pair, which escapes can say, and an endless integer; they would be noticed too late.

    Raises:
        InvalidInput: names the field.
    """
    try:
        orjson.dumps(value, default=BaseModel.model_dump)
    except orjson.JSONEncodeError as error:
        raise InvalidInput(field, value, f"whole characters and integers of 64 bits ({error})") from None


def check_fields(body: BaseModel) -> None:
    """As `check_json`, for each field of `body`: of those that are wrong, the first is named."""
    try:
        orjson.dumps(dict(body), default=BaseModel.model_dump)
    except orjson.JSONEncodeError:
        for name, value in body:
            check_json(name, value)
