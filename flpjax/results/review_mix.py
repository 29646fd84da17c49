"""Whether the best mixture can be believed: what a review of its forecast says, and what the search adds to it."""

from __future__ import annotations

from dataclasses import replace

from flpjax.fitting.draws import Draws
from flpjax.ladder.table import Runs
from flpjax.results.mix import Mix
from flpjax.results.review import review
from flpjax.results.sizing import check_sizes
from flpjax.results.verdicts import Finding, Review, Verdict

BEYOND, BEYOND_BAD = 0.05, 0.2  # Euclidean distance to the hull of the mixtures tried
LOST, LOST_BAD = 0.05, 0.5  # share of draws
STUCK = "step_limit", "non_finite"


def review_mix(found: Mix, draws: Draws, runs: Runs) -> Review:
    """Check the draws, the ladder, how far the target lies, and the mixture found.

    Args:
        found: The best mixture by these draws.
        draws: That it was searched with.
        runs: The ladder.
    """
    of_forecast = review(draws, runs, [replace(found.at or found.target, mix=found.mixture)]).findings
    if found.at is not None:
        of_forecast = (*(f for f in of_forecast if f.name != "sizes"), *check_sizes(draws.ladder, [found.target]))
    return Review((*of_forecast, check_hull(found), check_lost(found, draws), check_search(found)))


def check_hull(found: Mix) -> Finding:
    """The mixture is a blend of mixtures that were tried, or near to one."""
    name, beyond = "hull", found.beyond
    if beyond <= 1e-6:
        return Finding(name, Verdict.PASS, "the mixture is a blend of mixtures tried")
    verdict = Verdict.PASS if beyond <= BEYOND else Verdict.REVIEW if beyond <= BEYOND_BAD else Verdict.FAIL
    remedy = "" if verdict == Verdict.PASS else "Train a run near it, or bound weights to what was tried"
    return Finding(name, verdict, f"the mixture lies {beyond:.2g} beyond all blends of mixtures tried", remedy)


def check_lost(found: Mix, draws: Draws) -> Finding:
    """Nearly all draws had a part in the search."""
    lost = 1.0 - found.draws / len(draws)
    verdict = Verdict.PASS if lost <= LOST else Verdict.REVIEW if lost <= LOST_BAD else Verdict.FAIL
    remedy = "" if verdict == Verdict.PASS else "Leave out of the goal what can't be fitted, or add runs"
    return Finding("draws of the search", verdict, f"{found.draws} of {len(draws)} have a part", remedy)


def check_search(found: Mix) -> Finding:
    """The search ended where nothing near is better."""
    bad = found.status in STUCK
    figure = f"{found.status.replace('_', ' ')}, {found.agree:.0%} of starts agree"
    remedy = "Search from more starts (optimise_mix(starts=…))" if bad else ""
    return Finding("search", Verdict.REVIEW if bad else Verdict.PASS, figure, remedy)
