"""What a user waits for: wall time and peak memory of whole processes, from start to exit.

``python -m benchmarks.start --json FILE [--runs 5]``. Needs the OLMo ladder: a download, or FLPJAX_DATA. Files are
in the operating system's cache: one run of each command goes before those that count.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.published import OLMO_SECONDS
from benchmarks.report import environment, finish, parser, show

HELP = ("-m", "flpjax", "--help")
FORECAST = ("-m", "flpjax", "forecast", "olmo-ladder", "--draws", "200")
CACHE = "FLPJAX_CACHE"
PEER = (
    "one chained run of the OLMo ladder's own code takes {:.0f} to {:.0f} s on 2 cores, as the notes beside the "
    "ladders' files say (section olmo-ladder)"
).format(*OLMO_SECONDS)


class Cost(NamedTuple):
    """Of one process."""

    seconds: float
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
            raise RuntimeError(f"{' '.join(arguments)}: {printed.read().decode()[-2000:]}")
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in KiB on Linux
    return Cost(seconds, usage.ru_maxrss / unit)


def repeat(arguments: Sequence[str], runs: int) -> list[Cost]:
    """Run once, then ``runs`` times that count."""
    return [cost(arguments) for _ in range(runs + 1)][1:]


def forecasts(runs: int) -> tuple[list[Cost], list[Cost]]:
    """The forecast with an empty folder of compiled programs each time, and with a filled one."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "compiled"
        cost(FORECAST, {CACHE: str(kept)})
        cold = []
        for _ in range(runs):
            shutil.rmtree(kept)
            cold.append(cost(FORECAST, {CACHE: str(kept)}))
        if not any(kept.iterdir()):
            raise RuntimeError(f"the program keeps nothing in {CACHE}")
        return cold, [cost(FORECAST, {CACHE: str(kept)}) for _ in range(runs)]


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=5, help="runs of each command (default: 5)")
    given = arguments.parse_args()
    load = os.getloadavg()[0]
    found = {
        "python -c pass": repeat(("-c", "pass"), given.runs),
        "python -c 'import flpjax'": repeat(("-c", "import flpjax"), given.runs),
        "python -c 'import jax.numpy'": repeat(("-c", "import jax.numpy"), given.runs),
        "flpjax --help": repeat(HELP, given.runs),
    }
    name = f"flpjax {' '.join(FORECAST[2:])}"
    found[f"{name}, nothing compiled"], found[f"{name}, compiled before"] = forecasts(given.runs)
    rows = {command: _summary(costs) for command, costs in found.items()}
    show(
        f"Whole processes, median of {given.runs}",
        ("command", "seconds", "fastest", "slowest", "peak memory, MiB"),
        [
            (c, *(f"{r[k]:.2f}" for k in ("seconds", "fastest", "slowest")), f"{r['peak_mib']:.0f}")
            for c, r in rows.items()
        ],
        f"flpjax runs as python -m flpjax. Load average before: {load:.1f}. Less memory than `pass` can't be seen. "
        f"Not measured here: {PEER}.",
    )
    import jax

    jax.config.update("jax_enable_x64", True)  # as the command line does
    quoted = {"seconds": OLMO_SECONDS, "measured_here": False, "what": PEER}
    finish(environment() | {"runs": given.runs, "load_before": load, "commands": rows, "quoted": quoted}, given.json)


def _summary(costs: Sequence[Cost]) -> dict[str, Any]:
    seconds = [c.seconds for c in costs]
    return {
        "seconds": statistics.median(seconds),
        "fastest": min(seconds),
        "slowest": max(seconds),
        "peak_mib": statistics.median(c.peak_mib for c in costs),
        "all_seconds": seconds,
    }


if __name__ == "__main__":
    main()
