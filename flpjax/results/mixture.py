"""The best mixture of data sources for a target, by gradients on the simplex, over all draws at once."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.ascent import AscentStatus, Optima, ascend, spread_starts
from flpjax.errors import FitError
from flpjax.fitting.draws import Draws, refuse_unfitted
from flpjax.fitting.predicted import measured
from flpjax.fitting.validation import RollingValidation
from flpjax.methods.method import StageName
from flpjax.numerics import generator, on_device, require_x64
from flpjax.results.constraints import Constraints
from flpjax.results.distance import extrapolation_warning
from flpjax.results.forecast import Interval, check_level, scatter
from flpjax.results.goal import Goal, Scene
from flpjax.results.mix import Change, Mix
from flpjax.results.problem import BEST_TRIED, FIRST_PENALTY, Problem, mixture_problem, outputs_at
from flpjax.results.target import Asked, target_from
from flpjax.results.untried import hull_distance

STARTS = 16
PENALTIES = (FIRST_PENALTY, 10.0, 100.0)  # prices of a task's fall, tried in turn until none falls
ROUNDING = 1e-12
FALL = 1e-6  # a task that falls by less does not


def optimise_mix(
    draws: Draws,
    target: Asked,
    key: Array,
    *,
    goal: Goal | None = None,
    constraints: Constraints | None = None,
    baseline: Mapping[str, float] | str = BEST_TRIED,
    level: float = 0.9,
    starts: int = STARTS,
    method: str = "",
) -> Mix:
    """Find the mixture that is best at a target's compute, and how much better than a baseline, draw by draw.

    Args:
        draws: Of a model with mixtures (FLP-M); a bootstrap or posterior tells how sure the answer is.
        target: The model to be trained; its own mixture, if it has one, is not looked at.
        key: JAX random key, for the starts.
        goal: What to be best at; None for the expected mean of all scores, or of all losses if there are no tasks.
        constraints: What to keep to; None for weights within the ranges that were tried.
        baseline: Source → weight of the mixture that gains are counted from; ``"best tried"`` for the one among the
            ladder's that is expected to be best.
        level: Probability of the intervals.
        starts: Starts of the search, of which the baseline is one; each draw's own search has half as many.
        method: What to call the method in the result.

    Raises:
        InputError: The model knows no mixture; a name or number is wrong; the constraints conflict; or the model needs
            a fact of the target that is missing.
        FitError: No draw is usable, or the value is not finite anywhere.
        PrecisionError: JAX is in 32 bits.
    """
    refuse_unfitted(draws)
    require_x64("a search for mixtures")
    check_level(level)
    problem = mixture_problem(draws, target_from(target), goal or Goal(), constraints or Constraints(), baseline)
    rng = generator(key, 0)
    spread = spread_starts(problem.feasible.polytope, starts, rng)
    base = np.array([[problem.baseline.weights[s] for s in problem.feasible.sources]])
    found, scene = _search(problem, np.concatenate([base, spread[: starts - 1]]))
    each = _search_draws(problem, scene, np.concatenate([found.weights, base, spread[: max(starts // 2 - 2, 0)]]))
    return _describe(problem, scene, found, each, level, method)


def _search(problem: Problem, starts: NDArray[np.float64]) -> tuple[Optima, Scene]:
    """The best over all draws; the price of falling tasks rises until none falls."""
    scene = problem.scene
    for penalty in PENALTIES if problem.value.no_worse else PENALTIES[:1]:
        scene = scene._replace(penalty=on_device(penalty))
        data = jax.tree.map(lambda leaf: np.asarray(leaf)[None], scene)
        found = ascend(problem.value, data, starts, problem.feasible.polytope)
        if not np.isfinite(found.value).all():
            raise FitError("the value is not finite at any start", where=f"target '{problem.target.name}'")
        gain = (outputs_at(problem.value, found.weights, scene)[0] - np.asarray(scene.baseline)).mean(axis=0)
        if gain[np.asarray(scene.share) > 0].min() >= -FALL:
            break
    return found, scene


def _search_draws(problem: Problem, scene: Scene, starts: NDArray[np.float64]) -> Optima:
    """The best of each draw alone."""
    draws = len(problem.usable)

    def repeated(leaf: Array) -> NDArray[np.float64]:
        return np.broadcast_to(np.asarray(leaf), (draws, *np.shape(leaf)))

    data = Scene(
        jax.tree.map(lambda leaf: np.asarray(leaf)[:, None], scene.params),
        jax.tree.map(repeated, scene.compute),
        repeated(scene.share),
        np.asarray(scene.baseline)[:, None],
        *map(repeated, (scene.prior, scene.kl, scene.penalty)),
    )
    return ascend(problem.value, data, starts, problem.feasible.polytope)


def _describe(problem: Problem, scene: Scene, found: Optima, each: Optima, level: float, method: str) -> Mix:
    """The answer with everything that says how far to trust it."""
    model, weights = problem.draws.model, found.weights[0]
    there = outputs_at(problem.value, weights[None], scene)[0]
    base = np.asarray(scene.baseline)
    by_draw = [np.asarray(problem.value.by_draw(on_device(v), scene)) for v in (there, base)]
    there, base = (np.where(problem.known, v, np.nan) for v in (there, base))
    gain = _settled(by_draw[0] - by_draw[1])
    tried = np.array(problem.draws.ladder.mixtures)
    share = np.asarray(scene.share)
    measured = [_measured(problem, v) for v in (there, base)]
    names: list[tuple[StageName, str]] = [("loss", d) for d in model.domains]
    names += [("score", t) for t in model.tasks]
    changes = []
    for j, (kind, name) in enumerate(names):
        sign = -1.0 if kind == "loss" else 1.0
        values = (sign * measured[0][:, j], sign * measured[1][:, j], _settled(there[:, j] - base[:, j]))
        intervals = [Interval.of(v, level, problem.draws.most_lost) for v in values]
        if all(v is not None for v in intervals):
            changes.append(Change(name, kind, float(share[j]), *intervals))  # type: ignore[arg-type]
    total = Interval.of(gain, level, problem.draws.most_lost)
    assert total is not None
    spread = {s: Interval.of(each.weights[:, i], level) for i, s in enumerate(problem.feasible.sources)}
    return Mix(
        method=method or type(model).__name__,
        target=problem.asked,
        at=problem.target if problem.target.flops != problem.asked.flops else None,
        sources=problem.feasible.sources,
        weights=weights,
        value=float(found.value[0]),
        baseline=problem.baseline,
        gain=total,
        p_gain=float((gain > 0).mean()),
        level=level,
        spread={s: v for s, v in spread.items() if v is not None},
        draw_weights=each.weights,
        changes=tuple(changes),
        binding=problem.feasible.binding(weights),
        nearest=float(np.abs(tried - weights).max(axis=1).min()),
        beyond=hull_distance(tried, weights),
        kkt=float(found.kkt[0]),
        agree=float(found.agree[0]),
        status=AscentStatus(int(found.status[0])).name.lower(),
        draws=len(problem.usable),
        warnings=_warnings(problem, scene, there - base, found),
        intervals=problem.draws.has_intervals,
        taken=_taken(problem.draws.validation),
    )


def _measured(problem: Problem, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(draw, output)`` what one run measures, losses with a minus sign: as a forecast has it, runs scatter."""
    noise = scatter(problem.draws)
    domains = len(problem.draws.model.domains)
    deviations = np.concatenate([np.asarray(leaf)[problem.usable] for leaf in noise], axis=1)
    loss = -np.asarray(measured(problem.draws.model, -outputs[:, :domains], deviations[:, :domains]))
    return np.concatenate([loss, np.clip(outputs[:, domains:] + deviations[:, domains:], 0.0, 1.0)], axis=1)


def _settled(gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains without rounding: none where the mixture found is the baseline."""
    return np.where(np.abs(gain) < ROUNDING, 0.0, gain)


def _warnings(problem: Problem, scene: Scene, gain: NDArray[np.float64], found: Optima) -> tuple[str, ...]:
    warnings = [*problem.notes, *problem.draws.warnings]
    if problem.target is problem.asked or problem.target.flops == problem.asked.flops:
        warnings += extrapolation_warning(problem.target, problem.draws.ladder)
    lost = len(problem.draws) - len(problem.usable)
    if len(problem.usable) == 1:
        warnings.append("this is one fit: gains have no intervals")
    if lost:
        warnings.append(f"{lost} of {len(problem.draws)} draws could not be fitted and are left out")
    fallen = (gain.mean(axis=0) < -FALL) & (np.asarray(scene.share) > 0)
    if problem.value.no_worse and fallen.any():
        model = problem.draws.model
        names = [n for n, f in zip((*model.domains, *model.tasks), fallen, strict=True) if f]
        warnings.append(f"no mixture was found at which nothing falls below the baseline: {', '.join(names)} does")
    return tuple(dict.fromkeys(warnings))


def _taken(validation: RollingValidation | None) -> str:
    """The laws and maps that have most weight, in words, with the error of the past."""
    if validation is None or not validation.weights:
        return ""
    weights = f"{validation.taken}: weights by the probability of what was measured"
    if not validation.cells:
        return f"{weights}; there were no larger runs to check them by"
    errors = [
        f"{100 * v:.1f} {what}"
        for v, what in zip(validation.error, ("% of a loss", "points of a score"), strict=True)
        if np.isfinite(v)
    ]
    ahead = "the ladder's larger runs from smaller ones" if validation.runs else "runs left out from the others"
    return f"{weights}; forecasts of {ahead} were off by {' and '.join(errors)}"
