"""The problem that a search for mixtures solves: what was asked, checked and put into numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.ascent import nearest_feasible
from flpjax.errors import FitError, InputError
from flpjax.fitting.draws import Draws, LadderSummary
from flpjax.methods.at_target import at_target
from flpjax.methods.mixtures import refuse_one_mixture
from flpjax.numerics import compiled, on_device
from flpjax.results.completion import completed, law_inputs, words_of_sizes
from flpjax.results.constraints import Constraints, Feasible, feasible
from flpjax.results.goal import Goal, Scene, Value
from flpjax.results.mix import Baseline
from flpjax.results.sizing import at_known_size
from flpjax.results.target import Target, mixture_of

BEST_TRIED = "best tried"
MOVED = "best tried, moved within the constraints"
KEPT = 1e-6  # a weight that is off by less keeps to a constraint
FIRST_PENALTY = 1.0
BLOCK = 16  # mixtures that are looked at in one call: their number is no part of what is compiled


class Problem(NamedTuple):
    """All that a search needs, and all that its answer is described with."""

    draws: Draws
    asked: Target
    target: Target  # the same, or the one size that the runs have
    value: Value
    scene: Scene
    usable: NDArray[np.int64]  # (draw,) the draws that could be fitted
    known: NDArray[np.bool_]  # (draw, output) whether a draw says anything of an output; those that count, all do
    feasible: Feasible
    baseline: Baseline
    notes: tuple[str, ...] = ()  # what was decided on the way


class Names(Protocol):
    """What can be asked for by name: a bound model's, or a table's."""

    @property
    def domains(self) -> tuple[str, ...]:
        """``(domain,)`` the losses."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """``(task,)`` the scores."""

    @property
    def sources(self) -> tuple[str, ...]:
        """``(source,)`` the data sources."""

    @property
    def singular(self) -> bool:
        """Whether a source without compute makes predictions zero or infinite."""


def check_problem(
    names: Names,
    ladder: LadderSummary,
    target: Target,
    goal: Goal,
    constraints: Constraints,
    baseline: Mapping[str, float] | str = BEST_TRIED,
) -> Feasible:
    """Check what was asked, as far as it can be before anything is fitted; the mixtures that are allowed.

    Args:
        names: Of what will be fitted.
        ladder: The runs that it will be fitted on.
        target: As of :func:`optimise_mix`, like the rest.
        goal: What to be best at.
        constraints: What to keep to.
        baseline: The mixture that gains are counted from.

    Raises:
        InputError: There are no sources, a name is not there, a number is no share, or no mixture is allowed.
    """
    sources = names.sources
    if not sources:
        raise InputError(
            "the method that was fitted does not know data sources",
            where=ladder.source,
            remedy="Fit a method with mixtures, such as 'flp-m' or 'm3+network'",
        )
    refuse_one_mixture(np.array(ladder.mixtures), sources, ladder.source)
    goal.shares(names)
    if not isinstance(baseline, str):
        mixture_of(baseline, sources, "baseline")
    elif baseline != BEST_TRIED:
        raise InputError(f"there is no baseline '{baseline}'", remedy=f"Give weights, or '{BEST_TRIED}'")
    if goal.prior is not None:
        mixture_of(goal.prior, sources, "prior")
    allowed = feasible(constraints, sources, np.array(ladder.mixtures), target.filled(ladder.rule).tokens)
    empty = np.flatnonzero(np.asarray(allowed.polytope.lower) <= 0.0)
    if names.singular and len(empty):
        raise InputError(
            f"source '{sources[empty[0]]}' may have no compute, where this law makes the loss zero or infinite",
            where="constraints",
            remedy="Bound every source from below, or use a floor ('-floor' in names of methods) or a law that is "
            "finite there, such as M3",
        )
    return allowed


def mixture_problem(
    draws: Draws, target: Target, goal: Goal, constraints: Constraints, baseline: Mapping[str, float] | str
) -> Problem:
    """Check what was asked, and put it into numbers.

    Raises:
        InputError: See :func:`optimise_mix`.
        FitError: No draw is usable.
    """
    model, sources = draws.model, draws.model.sources
    allowed = check_problem(model, draws.ladder, target, goal, constraints, baseline)
    domain_share, task_share = goal.shares(model)
    share = np.concatenate([domain_share, task_share])
    filled, notes = _sized(target, draws)
    tried = np.array(draws.ladder.mixtures)
    compute = on_device(jax.tree.map(lambda leaf: leaf[0], law_inputs([filled], draws, mixtures=False)))
    reduced = at_target(model, draws.params, compute)
    value = Value(
        reduced[0] if reduced else model, goal.over_draws, goal.risk, goal.over_tasks, goal.no_worse, goal.kl > 0
    )
    nobody = np.zeros((len(draws), len(share)))
    params = reduced[1] if reduced else draws.params
    scene = Scene(
        params,
        compute,
        on_device(share),
        nobody,
        on_device(tried[0]),
        on_device(float(goal.kl)),
        on_device(FIRST_PENALTY),
    )
    at_tried = outputs_at(value, tried, scene)  # (mixture, draw, output)
    usable = np.flatnonzero(np.isfinite(at_tried[:, :, share > 0]).all(axis=(0, 2)))
    if not len(usable):
        names = np.array([*model.domains, *model.tasks])[share > 0]
        lost = [
            str(n)
            for n, ok in zip(names, np.asarray(np.isfinite(at_tried[:, :, share > 0]).any(axis=(0, 1))), strict=True)
            if not ok
        ]
        if lost and len(lost) < len(names):
            raise FitError(f"could not be fitted in any draw: {', '.join(lost)}", remedy="Leave it out of the goal")
        if filled.params is None or filled.tokens is None:
            raise InputError(
                "this law needs the target's N and D", where=f"target '{target.name}'", remedy="Write N=7e9,D=4e12"
            )
        raise FitError("no draw has a finite value at the mixtures that were tried", where=draws.ladder.source)
    # An output that does not count may be missing; its NaN must not get into sums and their derivatives.
    sound = on_device(jax.tree.map(lambda leaf: np.nan_to_num(np.asarray(leaf)[usable]), params))
    scene = scene._replace(params=sound, baseline=np.zeros((len(usable), len(share))))
    at_tried = at_tried[:, usable]
    if isinstance(baseline, str):
        candidates, kept = candidate_mixtures(allowed, tried)
        at_each = at_tried if kept is not None else outputs_at(value, candidates, scene)
        at_each = at_each[kept] if kept is not None else at_each
        plain = at_each[:, :, share > 0] @ share[share > 0]
        best = first_best(plain)
        runs = draws.ladder.mixture_runs
        base = Baseline(BEST_TRIED, dict(zip(sources, map(float, candidates[best]), strict=True)))
        if kept is None:
            base = replace(base, name=MOVED)
            notes.append(
                "no mixture that was tried keeps to the constraints: gains are counted from the best of those "
                "nearest to them that do"
            )
        elif runs:
            base = replace(base, runs=runs[kept[best]])
        weights = candidates[best]
    else:
        weights = mixture_of(baseline, sources, "baseline")
        base = Baseline("baseline", dict(zip(sources, map(float, weights), strict=True)))
    at_base = outputs_at(value, np.asarray(weights)[None], scene)[0]
    if not np.isfinite(at_base[:, share > 0]).all():
        raise InputError(
            "the law has no finite value at the baseline",
            where="baseline",
            remedy="Give every source a weight there, or use a law that is finite without, such as M3",
        )
    prior = weights if goal.prior is None else mixture_of(goal.prior, sources, "prior")
    scene = scene._replace(baseline=on_device(at_base), prior=on_device(prior))
    known = np.asarray(np.isfinite(at_tried).all(axis=0))
    return Problem(
        draws, target.filled(draws.ladder.rule), filled, value, scene, usable, known, allowed, base, tuple(notes)
    )


def _sized(target: Target, draws: Draws) -> tuple[Target, list[str]]:
    """The target that figures are of, and what the reader should know of it."""
    notes = []
    if target.mix is not None:
        notes.append(f"the mixture of target '{target.name}' has no say in the search: give it as the baseline")
    sized, why = at_known_size(target, draws.ladder)
    whole = completed(sized, draws.ladder)
    if sized.params is None and sized.tokens is None and whole.params is not None:
        notes.append(words_of_sizes(whole, draws.ladder, carried=False))
    return whole, notes + ([why] if why else [])


def candidate_mixtures(
    allowed: Feasible, tried: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp] | None]:
    """Mixtures ``(candidate, source)`` that a gain may be counted from, and which of those tried they are.

    They are those tried that keep to the constraints; where none does, the nearest mixtures to each that do, and None.
    """
    nearest = np.asarray(nearest_feasible(allowed.polytope, tried))
    kept = np.flatnonzero(np.abs(nearest - tried).max(axis=1) <= KEPT)
    return (tried[kept], kept) if len(kept) else (nearest, None)


def first_best(values: NDArray[np.float64]) -> int:
    """The first of the candidates ``(candidate, draw)`` that no other is better than by more than chance.

    Draws are common to all, so that what counts is the difference, draw by draw: one within a standard error of its
    mean is a matter of the seed.
    """
    top = values[int(values.mean(axis=1).argmax())]
    behind = top - values
    error = behind.std(axis=1) / np.sqrt(max(values.shape[1], 1))
    return int(np.flatnonzero(behind.mean(axis=1) <= error)[0])


def outputs_at(value: Value, weights: NDArray[np.float64], scene: Scene) -> NDArray[np.float64]:
    """``(mixture, draw, output)`` losses, with a minus sign, and scores at mixtures ``(mixture, source)``."""
    found = []
    for first in range(0, len(weights), BLOCK):
        some = weights[first : first + BLOCK]
        filled = np.concatenate([some, np.repeat(some[-1:], BLOCK - len(some), axis=0)])
        found.append(np.asarray(_outputs(value, filled, scene))[: len(some)])
    return np.concatenate(found)


@partial(compiled, static_argnums=0)
def _outputs(value: Value, weights: Array, scene: Scene) -> Array:
    """``(mixture, draw, output)`` at mixtures ``(mixture, source)``."""
    return jax.vmap(lambda w: value.outputs(w, scene))(weights)
