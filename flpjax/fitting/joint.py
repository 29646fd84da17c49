"""The joint fit: both stages in one objective, each residual weighed by its own scale, with optax.

The staged fit lets stage 2 see only observed losses; nothing tells stage 1 that its loss must also lead to the right
score. The joint objective sums three kinds of residuals, each output of each kind with a scale that is estimated too:
the log loss at final checkpoints, the score given the observed loss at all selected checkpoints, and the score given
the *predicted* loss at final checkpoints. The last one ties the stages together. It is a composite likelihood: final
scores enter twice, and checkpoints of a run count as if they were independent; the bootstrap by run repairs intervals.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from flpjax.engine.recipe import Recipe
from flpjax.errors import FitError
from flpjax.fitting.staged import Vectors
from flpjax.ladder.features import Features
from flpjax.laws.law import prior_normal, unpack
from flpjax.laws.residual import Residual
from flpjax.methods.method import BoundModel, Model
from flpjax.numerics import compiled, on_device

STEPS = 300
SMALLEST_SCALE = 1e-4  # an exactly fitted output must not get all the weight
TOGETHER = 16  # draws that are trained side by side
TOLERANCE = 3e-2  # of the gradient's norm, in standard errors: parameters are that close to the optimum
Free = dict[str, Array]


class _Data(NamedTuple):
    """All that the objective reads, stage by stage; then the final checkpoints, which tie the stages together."""

    stages: dict[str, tuple[Any, Array, Array]]  # (x, y) leaves (output, row), weight (output, row), run (row,)
    compute: Features  # leaves (final,)
    score: Array  # (task, final)
    weight: Array  # (task, final)
    run: Array  # (final,)


class _Whitening(NamedTuple):
    """An affine map under which the staged optimum is 0 and one unit is one standard error."""

    centre: Array  # (output, p)
    root: Array  # (output, p, p)
    log_scale: Array  # (output,)
    rows: Array  # (output,)


def refine(bound: BoundModel, vectors: Vectors, counts: NDArray[np.float64]) -> Vectors:
    """Go on from staged fits to the joint optimum, for every draw.

    Args:
        bound: The bound method.
        vectors: Stage → unconstrained ``(draw, output, p)`` of the staged fits.
        counts: ``(draw, run)`` how often each draw takes each run.

    Returns:
        Vectors like those given, NaN for draws that did not converge and for outputs that the staged fit left out.

    Raises:
        FitError: The method has one stage only or a Huber loss, or no draw converges.
    """
    if len(bound.stages) < 2:
        raise FitError("there is one stage only, nothing to fit jointly", remedy="Leave joint=True out")
    if any(stage.residual.huber is not None for stage in bound.stages):
        raise FitError("the joint objective has no Huber loss", remedy="Leave huber or joint=True out")
    residuals = tuple((stage.name, stage.residual) for stage in bound.stages)
    usable: dict[str, NDArray[np.bool_]] = {name: ~np.isnan(v.sum(axis=-1)) for name, v in vectors.items()}
    start = {}
    for stage in bound.stages:
        anywhere, _ = prior_normal(stage.law)  # for fits that are left out, and have no weight
        start[stage.name] = np.where(usable[stage.name][..., None], vectors[stage.name], anywhere)
    recipe = next((stage.recipe for stage in bound.stages if stage.recipe is not None), None)
    refined, gradient = _refine(bound.model, residuals, recipe, start, usable, counts, _data(bound))
    norm = np.asarray(gradient)
    failed = ~(norm <= TOLERANCE)
    if failed.all():
        raise FitError(
            f"the joint objective still has a gradient of {norm.min():.1e} standard errors after {STEPS} steps",
            remedy="Fit the stages one after the other: joint=False",
        )
    kept = {name: usable[name] & ~failed[:, None] for name in vectors}
    return {name: np.where(kept[name][..., None], np.asarray(v), np.nan) for name, v in refined.items()}


def _data(bound: BoundModel) -> _Data:
    finals, score_stage = bound.runs.finals(), bound.stages[1]
    columns = [bound.runs.task_names.index(t) for t in bound.model.tasks]
    score = finals.score[:, columns].T
    run = np.array([bound.runs.names.index(n) for n in finals.names], np.int64)[finals.run]
    # a run that gives stage 2 no checkpoint of a task (it never emerged) says nothing about that task here either
    used = np.stack([score_stage.weight[:, score_stage.run == r].any(1) for r in run], axis=1)
    weight = np.isfinite(score) * used
    stages = {s.name: ((s.x, s.y), s.weight, s.run) for s in bound.stages}
    known = np.where(weight > 0, score, 0.5)
    return _Data(*on_device((stages, finals.law_inputs, known, weight.astype(float), run)))


@partial(compiled, static_argnums=(0, 1, 2))
def _refine(
    model: Model,
    stages: tuple[tuple[str, Residual], ...],
    recipe: Recipe | None,
    vectors: dict[str, Array],
    usable: dict[str, Array],
    counts: Array,
    data: _Data,
) -> tuple[dict[str, Array], Array]:
    """Draws one after the other where L-BFGS searches along lines: a batch would wait for its slowest member."""

    def one(args: tuple[dict[str, Array], dict[str, Array], Array]) -> tuple[dict[str, Array], Array]:
        start, used, count = args
        weights = {}
        for name, _ in stages:
            _, weight, run = data.stages[name]
            weights[name] = weight * count[run][None, :] * used[name][:, None]
        white = {name: _whiten(r, start[name], data.stages[name][0], weights[name]) for name, r in stages}
        final_weight = data.weight * count[data.run][None, :] * _chain_used(model, used)[:, None]

        def negative_log_density(free: Free) -> Array:
            total, params = jnp.zeros(()), {}
            for name, residual in stages:
                vector = white[name].centre + jnp.einsum("opq,oq->op", white[name].root, free[name])
                log_scale = white[name].log_scale + free[name + "_scale"] / jnp.sqrt(2.0 * white[name].rows)
                r = by_row(residual)(vector, data.stages[name][0])
                total += _gaussian(r, weights[name], log_scale) + _prior(residual, vector)
                params[name] = jax.vmap(partial(unpack, residual.law))(vector)
            predicted = jax.vmap(lambda c: model.apply(params, c).score, out_axes=1)(data.compute)
            chain_scale = white["score"].log_scale + free["chain_scale"]
            return total + _gaussian(predicted - data.score, final_weight, chain_scale)

        free = {name: jnp.zeros_like(start[name]) for name, _ in stages}
        free |= {name + "_scale": jnp.zeros(len(start[name])) for name, _ in stages}
        free["chain_scale"] = jnp.zeros(len(data.score))
        if recipe is None:
            end, norm = _lbfgs(negative_log_density, free)
        else:
            end, norm = _trained(negative_log_density, free, recipe)
        moved = {n: white[n].centre + jnp.einsum("opq,oq->op", white[n].root, end[n]) for n, _ in stages}
        return moved, norm

    return lax.map(one, (vectors, usable, counts), batch_size=None if recipe is None else TOGETHER)


def _chain_used(model: Model, used: dict[str, Array]) -> Array:
    """``(task,)`` whether both a task's own fit and that of its loss are usable."""
    return used["score"] & used["loss"][jnp.array(model.via)].all(axis=1)


def _whiten(residual: Residual, vector: Array, data: Any, weight: Array) -> _Whitening:
    """The map for outputs ``(output, p)`` at their staged optimum."""
    jacobian = by_row(jax.jacfwd(residual))(vector, data)
    r = by_row(residual)(vector, data)
    rows = jnp.maximum(jnp.sum(weight, axis=1), 1.0)
    variance = SMALLEST_SCALE**2 + jnp.sum(weight * r**2, axis=1) / rows
    precision = jnp.einsum("or,orp,orq->opq", weight, jacobian, jacobian) / variance[:, None, None]
    if residual.prior_sd is not None:
        precision += jnp.diag(jnp.asarray(prior_normal(residual.law)[1]) ** -2.0)[None, :, :]
    scale = jnp.sqrt(jnp.maximum(jnp.diagonal(precision, axis1=1, axis2=2), 1e-12))
    unit = precision / (scale[:, :, None] * scale[:, None, :]) + 1e-10 * jnp.eye(vector.shape[1])[None, :, :]
    inverse = jnp.linalg.inv(jnp.linalg.cholesky(unit))
    return _Whitening(vector, jnp.swapaxes(inverse, 1, 2) / scale[:, :, None], 0.5 * jnp.log(variance), rows)


def by_row(residual: Any) -> Any:
    """A residual of one row made one of ``(output, p)`` and leaves ``(output, row, …)``."""
    return jax.vmap(jax.vmap(residual, (None, 0)))


def _gaussian(residual: Array, weight: Array, log_scale: Array) -> Array:
    """Negative log-likelihood of residuals ``(output, row)`` with one scale an output."""
    variance = SMALLEST_SCALE**2 + jnp.exp(2.0 * log_scale)
    rows = jnp.sum(weight, axis=1)
    return 0.5 * jnp.sum(jnp.sum(weight * residual**2, axis=1) / variance + rows * jnp.log(variance))


def _prior(residual: Residual, vector: Array) -> Array:
    """Negative log-density of the form's prior, where the fit weighs it in."""
    if residual.prior_sd is None:
        return jnp.zeros(())
    loc, scale = prior_normal(residual.law)
    return 0.5 * jnp.sum(((vector - loc[None, :]) / scale[None, :]) ** 2)


def _lbfgs(objective: Any, start: Free) -> tuple[Free, Array]:
    """Minimise by L-BFGS; the end and the gradient's norm there."""
    import optax

    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(objective)

    def step(carry: tuple[Any, Any, Array, Array]) -> tuple[Any, Any, Array, Array]:
        params, state, _, taken = carry
        value, gradient = value_and_grad(params, state=state)
        updates, state = solver.update(gradient, state, params, value=value, grad=gradient, value_fn=objective)
        params = optax.apply_updates(params, updates)
        return params, state, optax.tree.norm(optax.tree.get(state, "grad")), taken + 1

    def going(carry: tuple[Any, Any, Array, Array]) -> Array:
        return (carry[3] < STEPS) & (carry[2] > TOLERANCE)

    infinite = jnp.full((), jnp.inf)
    params, _, norm, _ = lax.while_loop(going, step, (start, solver.init(start), infinite, jnp.zeros((), int)))
    return params, norm


def _trained(objective: Any, start: Free, recipe: Recipe) -> tuple[Free, Array]:
    """Train by a recipe; the lower of its end and its start, and 0, or NaN if neither is finite."""
    import optax

    solver = optax.adam(recipe.schedule)

    def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        params, state = carry
        updates, state = solver.update(jax.grad(objective)(params), state)
        return (optax.apply_updates(params, updates), state), None

    (end, _), _ = lax.scan(step, (start, solver.init(start)), None, length=recipe.steps)
    before, after = objective(start), objective(end)
    lower = after < before
    kept = jax.tree.map(lambda a, b: jnp.where(lower, a, b), end, start)
    return kept, jnp.where(jnp.isfinite(jnp.where(lower, after, before)), 0.0, jnp.nan)
