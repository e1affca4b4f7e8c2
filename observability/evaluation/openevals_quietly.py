"""openevals, without LangSmith: its evaluators are traced functions, and our scores are ours to tell."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def untraced() -> Generator[None]:
    """Within this no run tree is made and nothing is sent, whatever LANGSMITH_TRACING says."""
    from langsmith import tracing_context  # noqa: PLC0415 - heavy, and needed only where openevals is

    with tracing_context(enabled=False):
        yield
