"""What one process costs, from start to exit."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Cost(NamedTuple):
    """Of one process."""

    seconds: float  # from start to exit
    cpu_seconds: float  # of all its threads and children, user and system: what other work on the machine hardly moves
    peak_mib: float


def cost(arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> Cost:
    """Run this Python with ``arguments`` to its end.

    The peak of a child starts at what its parent held when it forked: JAX must not be imported here before.

    Raises:
        RuntimeError: The program failed; the message holds what it printed.
    """
    with tempfile.TemporaryFile() as printed:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], env=os.environ | (variables or {}), stdout=printed, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            printed.seek(0)
            printed_last = printed.read().decode()[-2000:] or "it printed nothing"
            raise RuntimeError(f"{' '.join(arguments)} ended with code {process.returncode}: {printed_last}")
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in KiB on Linux
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def summary(costs: Sequence[Cost]) -> dict[str, Any]:
    """Medians, and every run's seconds."""
    seconds = [c.seconds for c in costs]
    return {
        "seconds": statistics.median(seconds),
        "fastest": min(seconds),
        "slowest": max(seconds),
        "cpu_seconds": statistics.median(c.cpu_seconds for c in costs),
        "peak_mib": statistics.median(c.peak_mib for c in costs),
        "all_seconds": seconds,
        "all_cpu_seconds": [c.cpu_seconds for c in costs],
    }
