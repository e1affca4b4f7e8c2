"""A limit on what an isolated run allocates, kept by the kernel."""

from __future__ import annotations

import logging
import re
import resource
import sys
from pathlib import Path

logger = logging.getLogger(__name__)

_MB = 1_000_000


def limit_memory(megabytes: int) -> None:
    """Let this process allocate so much more than it has now; beyond that, allocating fails: MemoryError in Python.

    Counted is what is private and writable (RLIMIT_DATA: heap, mappings, threads' stacks), not address space, of which
    libraries reserve more than they use. Only Linux keeps such a limit; elsewhere a warning says that there is none.
    """
    if sys.platform != "linux":
        logger.warning("memory of a run isn't limited on %s", sys.platform)
        return
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmData:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None, "Linux says it for each process"
    limit = int(found[1]) * 1024 + megabytes * _MB
    _, greatest = resource.getrlimit(resource.RLIMIT_DATA)
    if greatest != resource.RLIM_INFINITY:
        limit = min(limit, greatest)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
