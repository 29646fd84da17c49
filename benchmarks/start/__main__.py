"""Measure, print, write."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.published import OLMO_SECONDS
from benchmarks.report import environment, finish, parser, show
from benchmarks.start.cases import CACHE, CASES, PEER, Case, prepared
from benchmarks.start.cost import Cost, cost, summary


def main() -> None:
    """Every case that was asked for, as medians of whole processes."""
    arguments = parser(__doc__)
    arguments.add_argument("--repeats", type=int, default=5, help="runs of each command that count (default: 5)")
    arguments.add_argument("--cases", nargs="+", choices=[c.name for c in CASES], metavar="CASE", help="only these")
    given = arguments.parse_args()
    load = os.getloadavg()[0]
    rows = {}
    for case in [c for c in CASES if given.cases is None or c.name in given.cases]:
        costs = measured(case, given.repeats)
        rows[case.name] = summary(costs) | {"command": case.shown, "at_most_s": case.at_most, "says": case.says}
        r = rows[case.name]
        print(f"{case.name}: {r['seconds']:.2f} s, {r['cpu_seconds']:.2f} s of CPU", flush=True)
    show(
        f"Whole processes, median of {given.repeats}",
        ("case", "seconds", "at most", "fastest", "slowest", "CPU seconds", "peak memory, MiB"),
        [
            (
                f"{name}: {r['says']}",
                f"{r['seconds']:.2f}",
                None if r["at_most_s"] is None else f"{r['at_most_s']:g}",
                *(f"{r[k]:.2f}" for k in ("fastest", "slowest", "cpu_seconds")),
                f"{r['peak_mib']:.0f}",
            )
            for name, r in rows.items()
        ],
        f"flpjax runs as python -m flpjax. Load average before: {load:.1f}; at most: on two idle cores. Not measured "
        f"here: {PEER}.",
    )
    import jax

    jax.config.update("jax_enable_x64", True)  # as the command line does
    quoted = {"seconds": OLMO_SECONDS, "measured_here": False, "what": PEER}
    finish(environment() | {"repeats": given.repeats, "load_before": load, "cases": rows, "quoted": quoted}, given.json)


def measured(case: Case, repeats: int) -> list[Cost]:
    """Runs of one case; one that counts for nothing goes before, so that files are in memory, and programs compiled."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = prepared(case, Path(folder))

        def run(cache: str) -> Cost:
            return cost(arguments, {CACHE: str(Path(folder) / cache)})

        run("kept")
        if case.cold:
            return [run(f"empty {i}") for i in range(repeats)]
        return [run("kept") for _ in range(repeats)]


if __name__ == "__main__":
    main()
