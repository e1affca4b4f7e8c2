"""What the OpenTelemetry event `gen_ai.evaluation.result` says of a score."""

from __future__ import annotations

from typing import Any

from motet.observability import names


def result(
    name: str,
    value: float | str | None,
    *,
    label: str | None,
    explanation: str | None,
    error: str = "",
    response_id: str = "",
) -> dict[str, Any]:
    """The event's attributes, without those that have nothing to say.

    A boolean is the value 1 or 0 with the label `pass` or `fail`, a category a label alone.

    Args:
        name: of the metric.
        value: of the score.
        label: in the place of the one that follows from the value.
        explanation: message content; None where that is not to be told.
        error: why there is no value, though there should be.
        response_id: the provider's, of the answer that was judged.
    """
    if isinstance(value, bool):
        label = label or ("pass" if value else "fail")
    elif isinstance(value, str):
        label = label or value
    told: dict[str, Any] = {
        names.EVALUATION_NAME: name,
        names.EVALUATION_VALUE: None if value is None or isinstance(value, str) else float(value),
        names.EVALUATION_LABEL: label,
        names.EVALUATION_EXPLANATION: explanation or None,
        names.RESPONSE_ID: response_id or None,
        names.ERROR_TYPE: "evaluation_failed" if error else None,
    }
    return {key: one for key, one in told.items() if one is not None}
