"""Simulation-based calibration: whether posteriors are what they say, for ladders that come from their own priors.

``python -m benchmarks.sbc --json FILE [--simulations 200] [--quick] [--workers N]``. Parameters are drawn from the
priors, a ladder of a fixed design is simulated from them, its posterior sampled, and the truth's rank among the draws
taken: uniform if the posterior is right (Talts et al. 2018). Two statistics: χ² of ten bins of each quantity's ranks,
p-values times the number of quantities (Bonferroni), which must stay above 1 %; and the dispersion, the mean of
(rank − ½)² over quantities less its expectation, as a t-value over simulations, which must stay below 3: positive is
overconfident. A planted overconfident posterior, its draws halved about their mean, must fail.
"""

from __future__ import annotations

import sys
import time

import jax

from benchmarks.report import environment, finish, parser, show
from benchmarks.sbc.averages import DESIGN
from benchmarks.sbc.designs import designs
from benchmarks.sbc.lots import METHODS, lots, methods_of, run
from benchmarks.sbc.statistics import Ranks
from benchmarks.workers import side_by_side


def main() -> None:
    """Simulate, rank, print, write."""
    names = (*designs(), DESIGN)
    arguments = parser(__doc__)
    arguments.add_argument("--simulations", type=int, default=200, help="of each design (default: 200)")
    arguments.add_argument("--quick", action="store_true", help="the fast path only")
    arguments.add_argument("--workers", type=int, default=1, help="processes, on CPU if more than one (default: 1)")
    arguments.add_argument("--only", nargs="+", choices=names, default=names, metavar="DESIGN", help="these designs")
    given = arguments.parse_args()
    jax.config.update("jax_enable_x64", True)
    if given.workers > 1:
        jax.config.update("jax_platforms", "cpu")
    start = time.perf_counter()
    methods = METHODS[:1] if given.quick else METHODS
    todo = lots(given.only, methods, given.simulations)
    done = {}
    for lot, found in side_by_side(run, todo, given.workers):
        done[lot] = found
        print(f"{len(done)} of {len(todo)}: {lot}, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    rows, summary = [], {}
    for name in given.only:
        for method in methods_of(name, methods):
            parts = [done[lot] for lot in todo if (lot.design, lot.method) == (name, method)]
            for what in parts[0]:
                ranks = Ranks.joined([part[what] for part in parts])
                p, worst = min((p, quantity) for quantity, p in ranks.p_values.items())
                summary[f"{name}, {method}, {what}"] = {
                    "passed": ranks.passed,
                    "expected": what == "as it is",
                    "smallest_p": p,
                    "of": worst,
                    "dispersion": ranks.dispersion,
                    "quantities": len(ranks.of),
                    "p_values": ranks.p_values,
                    "ranks": ranks.histograms,
                }
                verdict = "pass" if ranks.passed else "fail"
                rows.append((f"{name}, {method}", what, verdict, f"{p:.2g}", worst, f"{ranks.dispersion:+.1f}"))
    show(
        f"Simulation-based calibration, {given.simulations} simulations each",
        ("posterior", "draws", "verdict", "smallest p × quantities", "of", "dispersion"),
        rows,
        "halved: draws shrunk to half their spread, which must fail.",
    )
    right = all(entry["passed"] == entry["expected"] for entry in summary.values())
    print("all as they should be" if right else "NOT all as they should be")
    seconds = time.perf_counter() - start
    told = {"simulations": given.simulations, "right": right, "seconds": seconds, "posteriors": summary}
    finish(environment() | told, given.json)


if __name__ == "__main__":
    main()
