"""Nominal against observed coverage on public ladders: every rolling origin and final target, method by method.

``python -m benchmarks.calibration --json FILE [--quick] [--workers N] [--only LADDER …]``. Needs the ladders: a
download, or FLPJAX_DATA. Losses are scored as logarithms, scores as fractions.
"""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.sharedctypes
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import jax

from benchmarks.calibration.cells import Counted, count
from benchmarks.calibration.forecasters import FORECASTERS, QUICK
from benchmarks.calibration.ladders import LADDERS, Part, parts, runs_of
from benchmarks.calibration.tables import figures, show_all
from benchmarks.methods import key
from benchmarks.report import environment, finish, parser


def one(part: Part, methods: Sequence[str], draws: int) -> Counted:
    """The cells of one part."""
    chosen = {name: FORECASTERS[name] for name in methods}
    return count(part.ladder, part.seen, runs_of(part), chosen, key(), draws)


def every(todo: Sequence[Part], methods: Sequence[str], draws: int, workers: int) -> Iterator[Counted]:
    """The cells of all parts, as they come; side by side in processes of their own if there are several workers."""
    if workers == 1:
        for part in todo:
            yield one(part, methods, draws)
        return
    context = multiprocessing.get_context("spawn")
    taken = context.Value("i", 0)
    with ProcessPoolExecutor(workers, context, _begin, (taken, workers)) as pool:
        for done in as_completed([pool.submit(one, part, methods, draws) for part in todo]):
            yield done.result()


def main() -> None:
    """Fit, count, print, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help="the OLMo ladder from one origin and to its end")
    arguments.add_argument("--workers", type=int, default=1, help="processes, on CPU if more than one (default: 1)")
    arguments.add_argument(
        "--only", nargs="+", choices=LADDERS, default=LADDERS, metavar="LADDER", help="these ladders"
    )
    arguments.add_argument("--methods", nargs="+", choices=FORECASTERS, metavar="METHOD", help="these methods")
    arguments.add_argument("--draws", type=int, default=400, help="draws of every method (default: 400)")
    arguments.add_argument("--cells", type=Path, metavar="FILE", help="write every cell here, one JSON object a line")
    given = arguments.parse_args()
    jax.config.update("jax_enable_x64", True)
    if given.workers > 1:
        jax.config.update("jax_platforms", "cpu")
    methods = tuple(given.methods or (QUICK if given.quick else FORECASTERS))
    start = time.perf_counter()
    todo = parts(given.only, quick=given.quick)
    done: list[Counted] = []
    for counted in every(todo, methods, given.draws, given.workers):
        done.append(counted)
        took = ", ".join(f"{name} {s:.0f} s" for name, s in counted.seconds.items())
        lost = f"; failed: {', '.join(counted.failed)}" if counted.failed else ""
        print(
            f"{len(done)} of {len(todo)}: {Part(counted.ladder, counted.seen)}: "
            f"{len(counted.cells)} cells, {took}{lost}",
            file=sys.stderr,
            flush=True,
        )
    done.sort(key=lambda c: todo.index(Part(c.ladder, c.seen)))
    found = figures(done, methods)
    show_all(found)
    result = environment() | {"quick": given.quick, "draws": given.draws, "workers": given.workers, **found}
    result["seconds"] = time.perf_counter() - start
    print(f"{sum(len(c.cells) for c in done)} cells of {len(done)} parts; {result['seconds']:.0f} s")
    if given.cells is not None:
        lines = [json.dumps(_plain(counted, i)) for counted in done for i in range(len(counted.cells))]
        given.cells.write_text("\n".join(lines) + "\n", encoding="utf-8")
    finish(result, given.json)


def _plain(counted: Counted, i: int) -> dict[str, object]:
    cell = counted.cells[i]
    return cell._asdict() | {"scored": {name: s._asdict() for name, s in cell.scored.items()}}


def _begin(taken: multiprocessing.sharedctypes.Synchronized[int], workers: int) -> None:
    """A worker's own precision, and its own share of the cores, so that workers don't crowd each other."""
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    with taken.get_lock():
        mine = taken.value
        taken.value += 1
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, set(cores[mine % len(cores) :: workers]))


if __name__ == "__main__":
    main()
