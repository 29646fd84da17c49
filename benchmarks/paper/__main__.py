"""Chen et al. 2024, figure by figure, on a ladder of our own.

``python -m benchmarks.paper --json FILE [--only NAME …] [--runs TABLE [--mapping FILE]]``. Parts: losses (figure 2),
single (1, 3, 10, 11, 12), mixed (4, 5), laws (Table 3, figure 7), maps (Table 4, figure 8), within (figure 9), chance
(figure 13), optimum (figure 6), targets (FLP, FLP-M and auto with intervals).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks.paper import ablations, chance, claims, losses, mixed, optimum, single, targets
from benchmarks.paper.ladders import ladder
from benchmarks.report import environment, finish, parser
from flpjax import FitError, InputError, Runs


class Part(NamedTuple):
    """A group of figures."""

    figures: Callable[[Runs], dict[str, Any]]
    show: Callable[[dict[str, Any]], None]


PARTS = {
    "targets": Part(targets.targets, targets.show_targets),  # first: its time is from a cold start
    "losses": Part(losses.losses, losses.show_losses),
    "single": Part(single.single, single.show_single),
    "mixed": Part(mixed.mixed, mixed.show_mixed),
    "laws": Part(ablations.laws, ablations.show_laws),
    "maps": Part(ablations.maps, ablations.show_maps),
    "within": Part(mixed.within, mixed.show_within),
    "chance": Part(chance.chance, chance.show_chance),
    "optimum": Part(optimum.optimum, optimum.show_optimum),
}


def run(runs: Runs, only: list[str]) -> dict[str, Any]:
    """The figures, verdicts and seconds of these parts; a part that the table can't carry says why."""
    result: dict[str, Any] = {}
    for name in only:
        start = time.perf_counter(), time.process_time()
        try:
            figures = PARTS[name].figures(runs)
        except (InputError, FitError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            result[name] = {"failed": str(error)}
            continue
        PARTS[name].show(figures)
        said = claims.OF[name](figures)
        took = {"seconds": time.perf_counter() - start[0], "cpu_seconds": time.process_time() - start[1]}
        print(*said, f"{name}: {took['seconds']:.0f} s ({took['cpu_seconds']:.0f} s of CPU)\n", sep="\n", flush=True)
        result[name] = {"figures": figures, "verdicts": [v.to_dict() for v in said], **took}
    return result


def main() -> None:
    """Run, print, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="NAME", help="these parts")
    arguments.add_argument("--runs", type=Path, metavar="TABLE", help="another ladder of this design")
    arguments.add_argument("--mapping", type=Path, metavar="FILE", help="what that table calls things")
    given = arguments.parse_args()
    jax.config.update("jax_enable_x64", True)
    start = time.perf_counter()
    try:
        runs = ladder(given.runs, given.mapping)
    except InputError as error:
        arguments.error(str(error))
    print(runs)
    result = environment() | {"ladder": str(runs), "parts": run(runs, given.only)}
    result["seconds"] = time.perf_counter() - start
    print(f"{result['seconds']:.0f} s")
    finish(result, given.json)


if __name__ == "__main__":
    main()
