"""Plans on trial: what they say of sweeps with published answers, and of ladders simulated from known laws.

``python -m benchmarks.plan --json FILE [--only PART …] [--workers N] [--replicates N]``. Each part is a module here
with ``measure(options)``, its figures as JSON has them, and ``show(figures)``, these in words. ``inside``, by which run
selection was chosen, runs only if it is named. Public ladders are read from FLPJAX_DATA.
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

import jax

from benchmarks.plan.options import Options
from benchmarks.report import environment, finish, parser

PARTS = ("allocation", "bias", "selection", "speedup")
IF_NAMED = ("inside",)


def main() -> None:
    """Measure, print, write."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--only",
        type=lambda text: tuple(text.split(",")),
        default=PARTS,
        metavar="PART,…",
        help=f"these parts: {', '.join(PARTS)} (default: all these), {', '.join(IF_NAMED)}",
    )
    arguments.add_argument("--workers", type=int, default=1, help="processes, on CPU if more than one (default: 1)")
    arguments.add_argument("--replicates", type=int, help="simulations of each study (default: the part's own)")
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    unknown = [part for part in given.only if part not in (*PARTS, *IF_NAMED)]
    if unknown:
        arguments.error(f"there is no part '{unknown[0]}'; there is: {', '.join((*PARTS, *IF_NAMED))}")
    jax.config.update("jax_enable_x64", True)
    if given.workers > 1:
        jax.config.update("jax_platforms", "cpu")
    options = Options(given.workers, given.replicates, given.seed)
    figures: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for name in given.only:
        start = time.perf_counter()
        part = importlib.import_module(f"benchmarks.plan.{name}")
        figures[name] = part.measure(options)
        seconds[name] = time.perf_counter() - start
        print(f"{name}: {seconds[name]:.0f} s", file=sys.stderr, flush=True)
        print(part.show(figures[name]), end="\n\n")
    finish({**environment(), "workers": given.workers, "seconds": seconds, **figures}, given.json)


if __name__ == "__main__":
    main()
