"""Nominal against observed coverage on public ladders: every rolling origin and final target, method by method.

``python -m benchmarks.calibration --json FILE [--quick] [--workers N] [--only LADDER …]``. Needs the ladders: a
download, or FLPJAX_DATA. Losses are scored as logarithms, scores as fractions.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path

import jax

from benchmarks.calibration.cells import Counted
from benchmarks.calibration.forecasters import FORECASTERS, FORMS, QUICK
from benchmarks.calibration.ladders import LADDERS, Part, parts
from benchmarks.calibration.part import one
from benchmarks.calibration.tables import figures, show_all
from benchmarks.report import environment, finish, parser
from benchmarks.workers import side_by_side


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
    for counted in side_by_side(partial(one, methods=methods, draws=given.draws), todo, given.workers):
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
    result = environment() | {
        "quick": given.quick,
        "draws": given.draws,
        "workers": given.workers,
        "forms": FORMS,
        **found,
    }
    result["seconds"] = time.perf_counter() - start
    print(f"{sum(len(c.cells) for c in done)} cells of {len(done)} parts; {result['seconds']:.0f} s")
    if given.cells is not None:
        lines = [json.dumps(_plain(counted, i)) for counted in done for i in range(len(counted.cells))]
        given.cells.write_text("\n".join(lines) + "\n", encoding="utf-8")
    finish(result, given.json)


def _plain(counted: Counted, i: int) -> dict[str, object]:
    cell = counted.cells[i]
    return cell._asdict() | {"scored": {name: s._asdict() for name, s in cell.scored.items()}}


if __name__ == "__main__":
    main()
