"""How often a process that serves looks for garbage."""

from __future__ import annotations

import gc

from motet.server.process import settled


def test_a_process_that_serves_looks_for_garbage_less_often_than_python_would() -> None:
    """And as before once it no longer does."""
    before = gc.get_threshold()
    with settled():
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_threshold()[1:] == before[1:]
        assert gc.isenabled()
    assert gc.get_threshold() == before
