"""Many metrics tested at once: p-values that keep the chance of any false alarm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from statsmodels.stats.multitest import multipletests


def holm(p_values: Mapping[str, float]) -> Mapping[str, float]:
    """Each metric's p-value adjusted for all of them (Holm 1979), by statsmodels; in the order given.

    Raises:
        ValueError: a p-value isn't from 0 to 1; names the metric.
    """
    for name, p_value in p_values.items():
        if math.isnan(p_value) or not 0 <= p_value <= 1:
            raise ValueError(f"p_values[{name!r}]: {p_value!r} is not allowed; allowed: 0 to 1")
    if not p_values:
        return {}
    found: Any = multipletests(list(p_values.values()), method="holm")
    return {name: float(adjusted) for name, adjusted in zip(p_values, found[1], strict=True)}
