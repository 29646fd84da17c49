"""N* and D* by every approach that a ladder allows (law, parabolas, envelope), and why they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.fitting.draws import Draws
from flpjax.fitting.predicted import predict
from flpjax.ladder.features import Features
from flpjax.ladder.table import Runs
from flpjax.numerics import generator
from flpjax.results.allocation.approach import Approach, Span, middle
from flpjax.results.allocation.blend import blended
from flpjax.results.allocation.by_envelope import beside_the_law, by_envelope, without_a_law
from flpjax.results.allocation.isoflop import Budgets, budgets_of, points_of
from flpjax.results.allocation.law_approach import LawApproach
from flpjax.results.allocation.limits import Limits
from flpjax.results.allocation.parabola import degree_of, line_through, lowest_points, resampled
from flpjax.results.allocation.valley import Others, Valleys, inputs_at, valleys

WILD_SALT = 11
LEAST_GROUPS = 2
SMALL = 0.02  # of N: approaches that differ by less are said to agree

Floats = NDArray[np.float64]


class Approaches(NamedTuple):
    """N* and D* by every approach, with the loss curves of the law."""

    approaches: tuple[Approach, ...]  # the law's first, if runs carry one
    headline: Approach
    valleys: Valleys  # of the law, at the budgets
    shift: Floats  # (draw, budget) of log N*, from the law's to the headline's
    isoflops: Budgets | None
    groups: Valleys | None  # of the law, at the budgets of the groups
    explained: str
    notes: tuple[str, ...]


def approaches_of(
    by_law: LawApproach,
    runs: Runs | None,
    domain: str,
    budgets: Sequence[float],
    limits: Limits,
    others: Others,
    key: Array,
) -> Approaches:
    """Find N* and D* of every budget by every approach that the runs allow.

    Args:
        by_law: The law's draws; of checkpoints along training where the runs' final values carry none.
        runs: The ladder; None if there are draws only.
        domain: The loss.
        budgets: ``(budget,)`` FLOPs.
        limits: What to keep to; with limits only the law says anything.
        others: Values of the law's other features, and mixtures; with features or mixtures only the law says anything.
        key: JAX random key of the resamples.

    Raises:
        InputError: Final values carry no law, and the training curves no line.
    """
    draws = by_law.draws
    span = Span.of(budgets, draws.ladder.rule)
    place = draws.model.domains.index(domain)
    if others.mixes and len(others.mixes) < len(span.log_flops):  # of a lone budget, the second one has the same
        others = Others(others.features, others.mixes * 2)
    valley = valleys(draws, list(np.exp(span.log_flops)), place, limits, others)
    law = Approach.of("law", valley.log_params, valley.log_tokens, span.log_flops, span.keep, by_law.why)
    whole, valley = valley, _first(valley, span.keep)
    none = np.zeros_like(valley.log_params)
    only = Approaches((law,), law, valley, none, None, None, "", ())
    if by_law.refused is not None:
        assert runs is not None
        return _by_envelope_alone(only, runs, domain, span, by_law.refused, key)
    fitted = by_law.runs if by_law.runs is not None else runs
    if fitted is None or limits != Limits() or others:
        return only
    iso = budgets_of(points_of(fitted, domain))
    groups = valleys(draws, list(np.exp(iso.log_flops)), place) if len(iso) else None
    found = only._replace(isoflops=iso if len(iso) else None, groups=groups)
    if groups is not None and len(iso) >= LEAST_GROUPS:
        found = _with_parabolas(found, draws, place, whole, span, key)
    elif len(iso) == 1:
        note = "one budget has several sizes: a line of N* over C needs two, so that there are no parabolas"
        found = found._replace(notes=(note,))
    along = None if runs is None else by_envelope(runs, domain, span, key)
    if along is None:
        return found
    explained = found.explained or beside_the_law(law, along)
    return found._replace(approaches=(*found.approaches, along), explained=explained)


def _by_envelope_alone(
    of_checkpoints: Approaches, runs: Runs, domain: str, span: Span, refused: InputError, key: Array
) -> Approaches:
    """The envelope's N*, and losses of a law that was fitted to checkpoints, moved to it.

    Raises:
        InputError: Why final values carry no law, if too few curves cross.
    """
    law, valley = of_checkpoints.headline, of_checkpoints.valleys
    along = by_envelope(runs, domain, span, key, len(law.log_params))
    if along is None:
        raise refused
    shift = along.log_params - valley.log_params
    valley = replace(valley, loss=np.where(np.isfinite(shift), valley.loss, np.nan))
    return of_checkpoints._replace(
        approaches=(along,), headline=along, valleys=valley, shift=shift, explained=without_a_law(refused, law, along)
    )


def _first(valley: Valleys, keep: int) -> Valleys:
    """The curves of the first ``keep`` budgets."""
    by_draw = {n: getattr(valley, n)[:, :keep] for n in ("log_params", "log_tokens", "loss", "curve", "bound")}
    return Valleys(flat=valley.flat[:, :, :keep], grid=valley.grid[:keep], **by_draw)


def _with_parabolas(found: Approaches, draws: Draws, place: int, whole: Valleys, span: Span, key: Array) -> Approaches:
    """Add parabolas, as they are and corrected for their bias, and the blend of these with the law."""
    law, iso, groups = found.approaches[0], found.isoflops, found.groups
    assert iso is not None
    assert groups is not None
    plain, corrected, words = _parabolas(draws, place, iso, groups, span.log_flops, key)
    first = span.approach("parabolas", plain, "the lowest point of a parabola at each budget (approach 2)")
    second = span.approach("parabolas, corrected", corrected, words)
    both = blended(whole.log_params, corrected)
    keep = span.keep
    headline = span.approach("blend", both.log_params, _words_of_blend(both.weight[:keep], both.between[:keep]))
    explained = _explained(law, first, second, bool(both.between[keep - 1] > 0))
    shift = headline.log_params - law.log_params
    return found._replace(
        approaches=(law, first, second, headline), headline=headline, shift=shift, explained=explained
    )


def _parabolas(
    draws: Draws, domain: int, iso: Budgets, groups: Valleys, at: Floats, key: Array
) -> tuple[Floats, Floats, str]:
    """Log N* ``(draw, budget)`` by parabolas, and corrected; and what the latter are."""
    points, rule = iso.points, draws.ladder.rule
    level = iso.log_flops[iso.group]
    log_tokens = rule.log_tokens(points.log_params, level)
    template = inputs_at(draws, list(np.exp(level)), Limits(), Others())
    here = template.replace(params=points.log_params, tokens=points.log_tokens, flops=points.log_flops)
    there = template.replace(params=points.log_params, tokens=log_tokens, flops=level)
    as_run, at_budget = (np.log(_losses(draws, x, domain)) for x in (here, there))
    # runs of a budget differ in C by a little; a draw that could not be fitted is of no law
    to_budget = np.nanmedian(at_budget - as_run, axis=0)
    log_loss = np.log(points.loss) + to_budget
    degree, evidence = degree_of(iso, log_loss)
    lines: list[Floats] = []
    for own_degree in (2, degree):
        rng = generator(key, WILD_SALT)
        lowest = lowest_points(iso, resampled(iso, log_loss, own_degree, len(draws), rng), own_degree)
        if len(lines) == 0:
            lines.append(line_through(iso.log_flops, lowest, at)[1:])
            continue
        of_law = lowest_points(iso, at_budget, own_degree).log_params
        bias = middle(of_law - groups.log_params)
        moved = lowest._replace(log_params=lowest.log_params - np.nan_to_num(bias)[None, :])
        lines.append(line_through(iso.log_flops, moved, at)[1:])
    name = "cubic" if degree == 3 else "parabola"
    why = f"the same with what a {name} does to the law's own valley on these runs taken off" + (
        f"; cubics, since their BIC is {evidence:.0f} lower" if degree == 3 else ""
    )
    return lines[0], lines[1], why


def _losses(draws: Draws, x: Features, domain: int) -> Floats:
    return np.asarray(predict(draws.model, draws.params, x).loss)[:, :, domain]


def _words_of_blend(weight: Floats, between: Floats) -> str:
    low, high = (f"{100 * v:.0f}" for v in (weight.min(), weight.max()))
    share = f"{low} %" if low == high else f"{low} to {high} %"
    how = f"law ({share}) and corrected parabolas, weighed by precision"
    if not between.any():
        return how + "; they agree within chance"
    return how + "; they disagree by more than chance, which intervals carry"


def _explained(law: Approach, plain: Approach, corrected: Approach, beyond_chance: bool) -> str:
    """Why law and parabolas differ at the largest budget."""
    n, p, c = (float(middle(r.log_params)[-1]) for r in (law, plain, corrected))
    budget = f"{np.exp(law.log_flops[-1]):.3g} FLOPs"
    if not np.isfinite(p + c):
        return f"At {budget} parabolas have no lowest point near the runs: the law alone tells."
    total, shape = float(np.exp(p - n) - 1.0), float(np.exp(p - c) - 1.0)
    if abs(total) < SMALL and abs(shape) < SMALL:
        return f"At {budget} parabolas and the law agree within {SMALL:.0%}."
    rest = "more than chance: the law's form or the grid's ends err" if beyond_chance else "within chance"
    return (
        f"At {budget} parabolas put N* {abs(total):.0%} {'above' if total > 0 else 'below'} the law: {shape:+.0%} is "
        f"what their shape does to a lopsided valley on these runs, and the rest is {rest}."
    )
