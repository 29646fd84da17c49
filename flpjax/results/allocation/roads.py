"""All roads to the optimal allocation that a ladder allows, side by side, and why they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.fitting.draws import Draws
from flpjax.fitting.predicted import predict
from flpjax.ladder.features import Features
from flpjax.ladder.table import Runs
from flpjax.numerics import generator
from flpjax.results.allocation.blend import blended
from flpjax.results.allocation.envelope import curves_of, envelope_line
from flpjax.results.allocation.isoflop import Budgets, budgets_of, points_of
from flpjax.results.allocation.law_road import LawRoad
from flpjax.results.allocation.limits import Limits
from flpjax.results.allocation.parabola import degree_of, line_through, lowest_points, resampled
from flpjax.results.allocation.road import Road
from flpjax.results.allocation.valley import Valleys, inputs_at, valleys

WILD_SALT, ENVELOPE_SALT = 11, 12
LEAST_GROUPS = 2
ENVELOPES = 100  # resamples of the envelope, each a loop on the host; its intervals are rough anyway
SMALL = 0.02  # of N: roads that differ by less are said to agree

Floats = NDArray[np.float64]


class Roads(NamedTuple):
    """What was found."""

    roads: tuple[Road, ...]  # the law's first
    headline: Road
    valleys: Valleys  # of the law, at the budgets
    shift: Floats  # (draw, budget) of log N*, from the law's to the headline's
    isoflops: Budgets | None
    groups: Valleys | None  # of the law, at the budgets of the groups
    group_lowest: Floats  # (draw, group) log N* of each group by parabolas, corrected
    explained: str
    notes: tuple[str, ...]


def roads_of(
    own: LawRoad,
    runs: Runs | None,
    domain: str,
    budgets: Sequence[float],
    limits: Limits,
    features: Mapping[str, float] | None,
    key: Array,
) -> Roads:
    """Walk them.

    Args:
        own: The law's draws.
        runs: The ladder; None if there are draws only.
        domain: The loss.
        budgets: ``(budget,)`` FLOPs.
        limits: What to keep to; with limits only the law says anything.
        features: Other features that laws read.
        key: JAX random key of the resamples.
    """
    at, rule = np.log(budgets), own.draws.ladder.rule
    place = own.draws.model.domains.index(domain)
    valley = valleys(own.draws, budgets, place, limits, features)
    law = Road("law", valley.log_params, valley.log_tokens, at, "a law of N and D fitted to all runs (approach 3)")
    found, headline, notes = [law], law, []
    isoflops = groups = None
    lowest = np.zeros((len(own.draws), 0))
    explained = ""
    fitted = own.runs if own.runs is not None else runs
    if fitted is None or limits != Limits() or features:
        none = np.zeros_like(valley.log_params)
        return Roads((law,), law, valley, none, None, None, lowest, "", ())

    def road(name: str, log_params: Floats, why: str) -> Road:
        log_tokens = np.stack([np.log(rule.tokens(np.exp(n), c)) for n, c in zip(log_params.T, budgets, strict=True)])
        return Road(name, log_params, log_tokens.T, at, why)

    iso = budgets_of(points_of(fitted, domain))
    if len(iso):
        isoflops = iso
        groups = valleys(own.draws, list(np.exp(iso.log_flops)), place)
    if groups is not None and len(iso) >= LEAST_GROUPS:
        plain, corrected, lowest, words = _parabolas(own.draws, place, iso, groups, at, key)
        found.append(road("parabolas", plain, "the lowest point of a parabola at each budget (approach 2)"))
        second = road("parabolas, corrected", corrected, words)
        found.append(second)
        both = blended(law.log_params, corrected)
        headline = road("blend", both.log_params, _words_of_blend(both.weight, both.between))
        explained = _explained(law, found[1], second, both.between, len(at) - 1)
        found.append(headline)
    elif len(iso) == 1:
        notes.append("one budget has several sizes: a line of N* over C needs two, so that there are no parabolas")
    curves = curves_of(runs, domain) if runs is not None else None
    if curves is not None:
        rng = generator(key, ENVELOPE_SALT)
        counts = rng.multinomial(len(curves.run), np.full(len(curves.run), 1 / len(curves.run)), ENVELOPES)
        lines = envelope_line(curves, counts.astype(float), at)
        why = (
            "the lowest of the training curves at each compute (approach 1), whose rates have not decayed there: "
            "it leans to small N where rates fall late"
        )
        if np.isfinite(lines).any(axis=1).mean() > 0.75:
            found.append(road("envelope", lines, why))
            if not explained:
                explained = _of_envelope(law, found[-1], len(at) - 1)
    shift = headline.log_params - law.log_params
    return Roads(tuple(found), headline, valley, shift, isoflops, groups, lowest, explained, tuple(notes))


def _parabolas(
    draws: Draws, domain: int, iso: Budgets, groups: Valleys, at: Floats, key: Array
) -> tuple[Floats, Floats, Floats, str]:
    """Log N* ``(draw, budget)`` by parabolas, and corrected; of the groups ``(draw, group)``, corrected; and why."""
    points, rule = iso.points, draws.ladder.rule
    level = iso.log_flops[iso.group]
    log_tokens = np.log(rule.tokens(np.exp(points.log_params), np.exp(level)))
    template = inputs_at(draws, list(np.exp(level)), None)
    here = template.replace(params=points.log_params, tokens=points.log_tokens, flops=points.log_flops)
    there = template.replace(params=points.log_params, tokens=log_tokens, flops=level)
    as_run, at_budget = (np.log(_losses(draws, x, domain)) for x in (here, there))
    to_budget = np.median(at_budget - as_run, axis=0)  # runs of a budget differ in C by a little
    log_loss = np.log(points.loss) + to_budget
    degree, evidence = degree_of(iso, log_loss)
    lines, corrected_at = [], np.zeros(0)
    for own_degree in (2, degree):
        rng = generator(key, WILD_SALT)
        lowest = lowest_points(iso, resampled(iso, log_loss, own_degree, len(draws), rng), own_degree)
        if len(lines) == 0:
            lines.append(line_through(iso.log_flops, lowest, at)[1:])
            continue
        of_law = lowest_points(iso, at_budget, own_degree).log_params
        bias = np.nanmedian(np.where(np.isfinite(of_law), of_law - groups.log_params, np.nan), axis=0)
        moved = lowest._replace(log_params=lowest.log_params - np.nan_to_num(bias)[None, :])
        lines.append(line_through(iso.log_flops, moved, at)[1:])
        corrected_at = moved.log_params[1:]
    name = "cubic" if degree == 3 else "parabola"
    why = f"the same with what a {name} does to the law's own valley on these runs taken off" + (
        f"; cubics, since their BIC is {evidence:.0f} lower" if degree == 3 else ""
    )
    return lines[0], lines[1], corrected_at, why


def _losses(draws: Draws, x: Features, domain: int) -> Floats:
    return np.asarray(predict(draws.model, draws.params, x).loss)[:, :, domain]


def _words_of_blend(weight: Floats, between: Floats) -> str:
    if not between.any():
        return "law and corrected parabolas agree within chance: the law's, which is more precise"
    return (
        f"law ({weight[-1]:.0%} at the largest budget) and corrected parabolas, which disagree by more than chance; "
        "intervals carry it"
    )


def _explained(law: Road, plain: Road, corrected: Road, between: Floats, i: int) -> str:
    """Why law and parabolas differ at budget ``i``."""
    with np.errstate(invalid="ignore"):
        n, p, c = (float(np.nanmedian(r.log_params[:, i])) for r in (law, plain, corrected))
    budget = f"{np.exp(law.log_flops[i]):.3g} FLOPs"
    if not np.isfinite(p + c):
        return f"At {budget} parabolas have no lowest point near the runs: the law alone tells."
    total, shape = float(np.exp(p - n) - 1.0), float(np.exp(p - c) - 1.0)
    if abs(total) < SMALL and abs(shape) < SMALL:
        return f"At {budget} parabolas and the law agree within {SMALL:.0%}."
    rest = "more than chance: the law's form or the grid's ends err" if between[i] > 0 else "within chance"
    return (
        f"At {budget} parabolas put N* {abs(total):.0%} {'above' if total > 0 else 'below'} the law: {shape:+.0%} is what "
        f"their shape does to a lopsided valley on these runs, and the rest is {rest}."
    )


def _of_envelope(law: Road, envelope: Road, i: int) -> str:
    with np.errstate(invalid="ignore"):
        off = float(np.exp(np.nanmedian(envelope.log_params[:, i]) - np.nanmedian(law.log_params[:, i])) - 1.0)
    return (
        f"At {np.exp(law.log_flops[i]):.3g} FLOPs the envelope puts N* {abs(off):.0%} {'above' if off > 0 else 'below'} "
        "the law: checkpoints before a run's end have learning rates that have not decayed, and few sizes bound it."
    )
