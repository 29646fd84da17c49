"""How far a target lies from the runs of a ladder: in FLOPs, below them, and in tokens per parameter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flpjax.fitting.draws import LadderSummary
from flpjax.ladder.outline import flops_range_at
from flpjax.results.target import Target

FAR = 1000.0  # beyond this ratio of FLOPs nobody has checked that any law holds
MANY = 1e6  # from here on a ratio is told by its power of ten
NEAR = float(np.log(4.0))  # e-folds: a target within a factor of four is as good as among the runs
INSIDE = 0.1  # e-folds: what rounds to whole batches


class Place(NamedTuple):
    """Where a target lies to the runs, in e-folds; 0 where it lies among them."""

    above: float  # of C, over the largest run of about its tokens per parameter
    below: float  # of C, under the smallest run of all
    aside: float  # of D/N, outside the runs' own

    @property
    def inside(self) -> bool:
        """Whether a forecast of it is interpolation."""
        return max(self) <= INSIDE


def place_of(target: Target, ladder: LadderSummary) -> Place:
    """Where a target lies to the runs of a ladder.

    Runs span what their convex hull in log D/N and log C holds, and what lies above it: a larger target of their tokens
    per parameter is not aside, nor is one on a line of N on C that the runs follow. What has neither N nor D, or whose
    ladder has none, has a distance in FLOPs alone.

    Args:
        target: With FLOPs.
        ladder: The runs.
    """
    assert target.flops is not None
    log_flops = float(np.log(target.flops))
    above, below = log_flops - np.log(ladder.flops[1]), np.log(ladder.flops[0]) - log_flops
    aside = 0.0
    log_ratio = _log_ratio(target, ladder)
    if log_ratio is not None:
        above = log_flops - flops_range_at(ladder.outline, log_ratio, NEAR)[1]
        low, high = np.log(ladder.ratio)
        aside = max(low - log_ratio, log_ratio - high, 0.0)
        if ladder.size is not None:
            params = ladder.size.params(target.flops)
            own = np.log(ladder.rule.tokens(np.array(params), target.flops) / params)
            aside = min(aside, abs(log_ratio - float(own)))
    return Place(max(float(above), 0.0), max(float(below), 0.0), float(aside))


def _log_ratio(target: Target, ladder: LadderSummary) -> float | None:
    """Log D/N of a target with N or D, the other by the ladder's rule of FLOPs; None where it is not known."""
    n, d, c = target.params, target.tokens, target.flops
    if not ladder.outline or (n is None and d is None):
        return None
    assert c is not None
    n = ladder.rule.params(d, c) if n is None and d is not None else n
    assert n is not None
    d = float(ladder.rule.tokens(np.array(n), c)) if d is None else d
    return float(np.log(d / n))


def words_aside(target: Target, ladder: LadderSummary) -> str:
    """How far outside the runs' tokens per parameter a target lies."""
    log_ratio = _log_ratio(target, ladder)
    assert log_ratio is not None
    low, high = ladder.ratio
    return (
        f"D/N = {np.exp(log_ratio):.3g} lies {place_of(target, ladder).aside:.1f} e-folds beyond the "
        f"ladder's tokens per parameter ({low:.3g} to {high:.3g})"
    )


def words_below(target: Target, ladder: LadderSummary) -> str:
    """How far below the smallest run a target lies."""
    assert target.flops is not None
    return (
        f"{target.flops / ladder.flops[0]:.2g} × the smallest run lies {place_of(target, ladder).below:.1f} e-folds "
        "below the ladder"
    )


def extrapolation(target: Target, ladder: LadderSummary) -> float:
    """Target FLOPs over the FLOPs of the ladder's largest run."""
    assert target.flops is not None
    return target.flops / ladder.flops[1]


def extrapolation_warning(target: Target, ladder: LadderSummary) -> list[str]:
    """What is unusual about how far a target lies from the ladder."""
    warnings = []
    ratio, place = extrapolation(target, ladder), place_of(target, ladder)
    within = ratio <= 1.0
    if within and place.inside:
        warnings.append(
            f"target '{target.name}' lies inside the ladder ({ratio:.2g} × its largest run): this is interpolation"
        )
    elif ratio >= FAR:
        times = f"{ratio:,.0f}" if ratio < MANY else f"{ratio:.3g}"
        warnings.append(
            f"target '{target.name}' lies {times} × beyond the ladder's largest run: no law was ever checked that "
            "far; train a larger rung"
        )
    if place.below > INSIDE:
        warnings.append(f"target '{target.name}': {words_below(target, ladder)}: laws of small runs are other laws")
    if place.aside > (INSIDE if within else NEAR):
        warnings.append(f"target '{target.name}': {words_aside(target, ladder)}: train runs that differ in it")
    if within and place.above > INSIDE:
        warnings.append(
            f"target '{target.name}' lies {np.exp(place.above):,.3g} × beyond the ladder's largest run of about its "
            "tokens per parameter"
        )
    if target.params and target.tokens:
        counted = target.flops / (target.params * target.tokens) if target.flops else 0.0
        if np.isnan(ladder.rule.extra) and np.isclose(counted, 6.0):
            warnings.append(
                f"target '{target.name}': C is 6·N·D = {target.flops:.3g} FLOPs; a ladder without both N and D does "
                "not say how it counts: give C=… if it counts otherwise"
            )
        elif abs(counted / (ladder.rule(target.params, target.tokens) / (target.params * target.tokens)) - 1.0) > 0.1:
            warnings.append(
                f"target '{target.name}' has {counted:.2f} FLOPs per parameter and token, the ladder's own rule gives "
                f"{ladder.rule(target.params, 1.0) / target.params:.2f}: are both counted in the same way?"
            )
    return warnings
