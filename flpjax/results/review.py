"""Whether a forecast, or the best mixture, can be believed: named checks of ladder, fits, sampling and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flpjax.engine.settings import Status
from flpjax.errors import InputError, count, some_of
from flpjax.fitting.diagnostics import Diagnostic
from flpjax.fitting.draws import LOST, Draws, refuse_unfitted
from flpjax.fitting.staged import CONDITION_LIMIT
from flpjax.ladder.table import AVERAGE, Runs
from flpjax.readers.read import Table, read_runs
from flpjax.results.forecast import Forecast, forecast
from flpjax.results.ladder_checks import (
    check_audit,
    check_distance,
    check_emergence,
    check_finished,
    check_horizon,
    check_mixtures,
    check_reruns,
    check_runs,
    check_widths,
)
from flpjax.results.mix import Mix
from flpjax.results.sizing import check_sizes
from flpjax.results.target import Asked, Target, targets_from, targets_of
from flpjax.results.untried import check_features, check_hull
from flpjax.results.verdicts import Finding, Review, Verdict, between

LEVEL = 0.9  # of intervals that are held against the ladder
MISFIT = 0.75, 0.5  # share of the runs fitted that they should hold, and must
FAILED_BAD = 0.5  # share of draws without a forecast


def review(draws: Draws, runs: Table, targets: Asked | Sequence[Asked] = (), made: Forecast | None = None) -> Review:
    """Check draws, the ladder they were fitted on, and how far they are to be carried.

    Args:
        draws: Any: of a posterior, a bootstrap, a blend, or one point.
        runs: The ladder; its held-out runs are not looked at.
        targets: What is to be forecast from them.
        made: The forecast of these targets, if there is one: then its draws are judged, not others.
    """
    refuse_unfitted(draws)
    runs = read_runs(runs)
    targets = targets_from(targets)
    training = runs.training()
    finals = training.finals()
    seen = forecast(draws, targets_of(finals), level=LEVEL)
    made, silent = _made(draws, targets, made)
    *others, validated = map(finding_of, draws.diagnostics)
    return Review(
        (
            check_runs(training),
            *check_finished(training),
            *check_audit(training),
            check_reruns(training),
            *check_mixtures(draws, training, targets),
            *check_hull(draws, targets),
            *check_features(draws, training, targets),
            *check_emergence(training),
            check_fits(draws),
            silent or check_failures(draws, made or seen),
            *others,
            check_misfit(draws, seen, finals),
            validated,
            *check_distance(draws, targets),
            *check_horizon(draws, targets),
            *(check_widths(made, training) if made is not None else ()),
            *check_sizes(draws.ladder, targets),
        )
    )


def check_fits(draws: Draws) -> Finding:
    """Every point fit has an optimum, and one that data determine."""
    failed, open_ = [], []
    for name, fit in draws.fits.items():
        for i, output in enumerate(fit.outputs):
            status = Status(int(fit.status[i]))
            if not status.usable:
                failed.append(f"{name} '{output}' ({status.name.lower()})")
            elif status == Status.SINGULAR or fit.condition[i] > CONDITION_LIMIT:
                open_.append(f"{name} '{output}'")
    total = sum(len(fit.outputs) for fit in draws.fits.values())
    if failed:
        worst = Verdict.FAIL if len(failed) == total or draws.needs_every_fit else Verdict.REVIEW
        return Finding("fits", worst, f"not converged: {some_of(failed)}", "Look at those columns with `flpjax check`")
    if open_:
        remedy = "Add runs that differ in what the form needs, or take a form with fewer parameters"
        return Finding("fits", Verdict.REVIEW, f"undetermined combinations of parameters: {some_of(open_)}", remedy)
    return Finding("fits", Verdict.PASS, f"{count(total, 'fit')} converged")


def _made(draws: Draws, targets: Sequence[Target], made: Forecast | None) -> tuple[Forecast | None, Finding | None]:
    """The forecast of the targets, if there are any; or a finding that they have none."""
    if made is not None or not targets:
        return made, None
    try:
        return forecast(draws, targets, level=LEVEL), None
    except InputError as error:
        return None, Finding("draws", Verdict.FAIL, f"no target has a forecast: {error}", "Do as that says")


def check_failures(draws: Draws, made: Forecast) -> Finding:
    """Nearly all draws forecast every output of every target of a forecast."""
    names = (*draws.model.domains, *draws.model.tasks)
    lost = made.lost.max(axis=0, initial=0.0)
    bad = [f"'{n}' ({x:.0%})" for n, x in zip(names, lost, strict=True) if x > LOST]
    if not bad:
        return Finding("draws", Verdict.PASS, f"{count(len(draws), 'draw')}, at most {lost.max(initial=0.0):.0%} fail")
    worst = Verdict.FAIL if lost.max() > FAILED_BAD else Verdict.REVIEW
    remedy = "Intervals leave these draws out: add runs"
    if lost.max() > draws.most_lost:
        remedy = "These have no interval: leave them out, add runs, or give targets what the law needs"
    return Finding("draws", worst, f"draws without a forecast: {some_of(bad)}", remedy)


def check_misfit(draws: Draws, seen: Forecast, finals: Runs) -> Finding:
    """Intervals of measured values hold what was measured of the runs that were fitted."""
    if draws.why_no_intervals:
        return Finding("fit to the ladder", Verdict.REVIEW, "a point fit has no intervals", "Ask for draws")
    if AVERAGE in draws.model.domains:
        finals = finals.with_average()
    held = []
    for each, measured in ((seen.loss, finals.loss_of), (seen.score, finals.score_of)):
        for name in each[0] if each else ():
            intervals = [of_run[name] for of_run in each]
            held += [
                v.lower <= value <= v.upper
                for v, value in zip(intervals, measured(name), strict=True)
                if np.isfinite(value)
            ]
    share = float(np.mean(held)) if held else float("nan")
    should, must = MISFIT
    remedy = "" if share >= should else "The law does not fit: compare methods with `flpjax backtest`"
    figure = f"{share:.0%} of what was fitted lies within its {LEVEL:.0%} intervals"
    return Finding("fit to the ladder", between(-share, -should, -must), figure, remedy)


def finding_of(found: Diagnostic) -> Finding:
    """A figure of the draws, held against its limits."""
    verdict = between(found.value, found.good, found.bad)
    return Finding(found.name, verdict, found.figure, found.remedy if verdict else "")


UNUSED, UNUSED_BAD = 0.05, 0.5  # share of draws without a part in the search
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
    return Review((*of_forecast, check_lost(found, draws), check_search(found)))


def check_lost(found: Mix, draws: Draws) -> Finding:
    """Nearly all draws had a part in the search."""
    lost = 1.0 - found.draws / len(draws)
    verdict = Verdict.PASS if lost <= UNUSED else Verdict.REVIEW if lost <= UNUSED_BAD else Verdict.FAIL
    remedy = "" if verdict == Verdict.PASS else "Leave out of the goal what can't be fitted, or add runs"
    return Finding("draws of the search", verdict, f"{found.draws} of {len(draws)} have a part", remedy)


def check_search(found: Mix) -> Finding:
    """The search ended where nothing near is better."""
    bad = found.status in STUCK
    figure = f"{found.status.replace('_', ' ')}, {found.agree:.0%} of starts agree"
    remedy = "Search from more starts (optimise_mix(starts=…))" if bad else ""
    return Finding("search", Verdict.REVIEW if bad else Verdict.PASS, figure, remedy)
