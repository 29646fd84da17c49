"""The joint fit: both stages in one objective, each residual weighed by its own scale, with optax.

The staged fit lets stage 2 see only observed losses; nothing tells stage 1 that its loss must also lead to the right
score. The joint objective is the negative log-likelihood of three kinds of residuals, each output of each kind with a
scale that is estimated too: the log loss at final checkpoints, the score given the observed loss at all selected
checkpoints, and the score given the *predicted* loss at final checkpoints. The last one ties the stages together.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from flpjax.errors import FitError
from flpjax.forms.form import unpack
from flpjax.forms.residual import Residual
from flpjax.predictors.predictor import Model, Plan
from flpjax.runs.compute import Compute

STEPS = 200
SMALLEST_SCALE = 1e-4  # an exactly fitted output must not get all the weight
TOLERANCE = 1e-7  # of the gradient's norm, per residual


class _Data(NamedTuple):
    """All that the objective reads, stage by stage; the last two belong to the final checkpoints."""

    stages: dict[str, tuple[Any, Array, Array, Array]]  # (x, y) leaves (output, row), weight (output, row), run (row,)
    final: tuple[Compute, Array, Array, Array]  # compute (final,), score (final, task), weight, run (final,)


def refine(plan: Plan, vectors: dict[str, Array], counts: Array) -> dict[str, Array]:
    """Go on from staged fits to the joint optimum, for every draw.

    Args:
        plan: The bound predictor.
        vectors: Stage → unconstrained ``(draw, output, p)`` of the staged fits.
        counts: ``(draw, run)`` how often each draw takes each run.

    Raises:
        FitError: The predictor has one stage only, or the joint objective does not converge at the first draw.
    """
    if len(plan.stages) < 2:
        raise FitError("there is one stage only, nothing to fit jointly", remedy="Leave joint=True out")
    static = (plan.model, tuple((stage.name, stage.residual) for stage in plan.stages))
    refined, norm = _refine(*static, vectors, counts, _data(plan))
    failed = np.asarray(~(norm <= TOLERANCE * 1e3))
    if failed[0]:
        raise FitError(
            f"the joint objective's gradient is still {float(norm[0]):.1e} per residual after {STEPS} steps",
            remedy="Fit the stages one after the other: joint=False",
        )
    return jax.tree.map(lambda v: jnp.where(failed[:, None, None], jnp.nan, v), refined)


def _data(plan: Plan) -> _Data:
    finals = plan.runs.finals()
    columns = [plan.runs.task_names.index(t) for t in plan.model.tasks]
    score = finals.score[:, columns]
    final_run = np.array([plan.runs.names.index(n) for n in finals.names], np.int64)[finals.run]
    # a final checkpoint that stage 2 does not use for a task says nothing about it here either
    last = {run: max(np.flatnonzero(plan.stages[1].run == run)) for run in final_run}
    used = np.stack([plan.stages[1].weight[:, last[run]] for run in final_run])
    weight = np.isfinite(score) * used
    stages = {s.name: (s.x, s.y, s.weight, s.run) for s in plan.stages}
    return jax.tree.map(
        jnp.asarray, _Data(stages, (finals.compute, np.where(weight > 0, score, 0.5), weight, final_run))
    )


@partial(jax.jit, static_argnums=(0, 1))
def _refine(
    model: Model, stages: tuple[tuple[str, Residual], ...], vectors: dict[str, Array], counts: Array, data: _Data
) -> tuple[dict[str, Array], Array]:
    """One draw after the other: L-BFGS searches along lines, and a batch would wait for its slowest member."""
    residuals = dict(stages)

    def nll(free: dict[str, Any], count: Array) -> Array:
        total = jnp.zeros(())
        number = jnp.zeros(())

        def add(residual: Array, weight: Array, log_scale: Array) -> None:
            nonlocal total, number
            variance = SMALLEST_SCALE**2 + jnp.exp(2.0 * log_scale)
            squares = jnp.sum(weight * residual**2, axis=-1)
            rows = jnp.sum(weight, axis=-1)
            total += 0.5 * jnp.sum(squares / variance + rows * jnp.log(variance))
            number += jnp.sum(rows)

        params = {}
        for name, residual in residuals.items():
            x, y, weight, run = data.stages[name]
            add(jax.vmap(residual)(free[name], (x, y)), weight * count[run][None, :], free["scale"][name])
            params[name] = jax.vmap(partial(unpack, residual.form))(free[name])
        compute, score, weight, run = data.final
        predicted = jax.vmap(lambda c: model.apply(params, c).score)(compute)
        add((predicted - score).T, (weight * count[run][:, None]).T, free["scale"]["chain"])
        return total / number

    def one(args: tuple[dict[str, Array], Array]) -> tuple[dict[str, Array], Array]:
        start, count = args
        tasks = start["score"].shape[0]
        log_scale = {name: jnp.full((len(start[name]),), jnp.log(0.01)) for name in residuals}
        free: dict[str, Any] = {**start, "scale": {**log_scale, "chain": jnp.full((tasks,), jnp.log(0.01))}}
        end, norm = _lbfgs(lambda f: nll(f, count), free)
        return {name: end[name] for name in residuals}, norm

    return lax.map(one, (vectors, counts))


def _lbfgs(objective: Any, start: Any) -> tuple[Any, Array]:
    """Minimise by L-BFGS; the end and the gradient's norm there."""
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

    params, _, norm, _ = lax.while_loop(going, step, (start, solver.init(start), jnp.asarray(jnp.inf), jnp.asarray(0)))
    return params, norm
