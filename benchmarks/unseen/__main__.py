"""Forecasts on a panel of real ladders, by ladder: coverage, errors and CRPS of final and of rolling targets.

``python -m benchmarks.unseen --json FILE [--quick] [--only NAME …] [--methods NAME …] [--workers N]
[--origins N] [--review] [--learn]``. Needs the
ladders' files: FLPJAX_DATA.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import jax

from benchmarks.report import environment, finish, parser
from benchmarks.unseen.cells import Counted, Task, one
from benchmarks.unseen.constants import write_all
from benchmarks.unseen.display import show_all
from benchmarks.unseen.evidence import evidence_of
from benchmarks.unseen.forecasters import EVERYWHERE, FORECASTERS, FORMS, QUICK, QUICK_EVERYWHERE, USUAL
from benchmarks.unseen.hazard import show_reliability
from benchmarks.unseen.origins import ORIGINS, parts, quick
from benchmarks.unseen.panel import PANEL, QUICK_WITHOUT
from benchmarks.unseen.summary import figures
from benchmarks.unseen.waiting import all_waits
from benchmarks.workers import side_by_side
from flpjax.fitting.averaging.hyperpriors import WAITS

DRAWS = 400


def main() -> None:
    """Fit, score, print, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer ladders, origins and methods")
    arguments.add_argument("--workers", type=int, default=1, help="processes, on CPU if more than one (default: 1)")
    arguments.add_argument("--only", nargs="+", choices=PANEL, metavar="NAME", help="these ladders")
    arguments.add_argument(
        "--methods", nargs="+", choices=FORECASTERS, metavar="NAME", help="these methods, for rolling targets, too"
    )
    arguments.add_argument("--draws", type=int, default=DRAWS, help=f"draws of every method (default: {DRAWS})")
    arguments.add_argument("--origins", type=int, help=f"earlier states to forecast from (default: {ORIGINS})")
    arguments.add_argument("--review", action="store_true", help="hold reviews and audits against what came, too")
    arguments.add_argument(
        "--learn",
        action="store_true",
        help="learn the package's hyperparameters from the ladders, write them, and end",
    )
    given = arguments.parse_args()
    jax.config.update("jax_enable_x64", True)
    if given.workers > 1:
        jax.config.update("jax_platforms", "cpu")
    start = time.perf_counter()
    names = given.only or [name for name in PANEL if not (given.quick and name in QUICK_WITHOUT)]
    if given.learn:
        _learn(names, given.workers)
        return
    methods = tuple(given.methods or (QUICK if given.quick else USUAL))
    everywhere = methods if given.methods else QUICK_EVERYWHERE if given.quick else EVERYWHERE
    origins = ORIGINS if given.origins is None else given.origins
    many = quick if given.quick and given.origins is None else lambda _: origins
    todo = [
        Task(part, tuple(m for m in methods if part.final or m in everywhere), given.draws, given.review)
        for part in parts(names, many)
    ]
    done: list[Counted] = []
    for counted in side_by_side(one, todo, given.workers):
        done.append(counted)
        _say(counted, len(done), len(todo))
    order = [task.part for task in todo]
    done.sort(key=lambda counted: order.index(counted.part))
    found = figures(done, methods)
    show_all(found)
    result = environment() | {"quick": given.quick, "draws": given.draws, "workers": given.workers, "forms": FORMS}
    result |= found | {"seconds": time.perf_counter() - start}
    print(f"{len(found['ladders'])} ladders, {len(done)} parts; {result['seconds']:.0f} s")
    finish(result, given.json)


def _learn(names: Sequence[str], workers: int) -> None:
    found = []
    for evidence in side_by_side(evidence_of, names, workers):
        found.append(evidence)
        print(f"{len(found)} of {len(names)}: {evidence.ladder}", file=sys.stderr, flush=True)
    found.sort(key=lambda evidence: names.index(evidence.ladder))
    waits = {by: all_waits(by) for by in WAITS}
    for path in write_all(found, waits):
        print(f"{path}: written")
    show_reliability(waits)


def _say(counted: Counted, number: int, of: int) -> None:
    took = ", ".join(f"{name} {s:.0f} s" for name, s in counted.seconds.items() if s >= 1.0)
    lost = f"; failed: {', '.join(counted.failed)}" if counted.failed else ""
    print(
        f"{number} of {of}: {counted.part}: {len(counted.cells)} cells{', ' if took else ''}{took}{lost}",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    main()
