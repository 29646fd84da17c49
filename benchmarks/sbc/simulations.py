"""Simulate ladders from the priors, fit them all, and rank the truths among the draws.

One program for all simulations: data are arguments, and outputs of all simulations are one batch.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from benchmarks.sbc.statistics import DRAWS, Ranks
from flpjax.fitting.posterior.importance import draw
from flpjax.fitting.posterior.laplace import Whitening, find_modes
from flpjax.fitting.posterior.likelihood import Layer, PosteriorData, simulate, unpacked
from flpjax.fitting.posterior.nuts import Sampler, one_chain
from flpjax.fitting.posterior.priors import PosteriorProblem, public_name
from flpjax.ladder.features import Features
from flpjax.methods.method import Model, StageParams

THIN, WARMUP = 8, 300  # NUTS keeps every 8th draw
PROPOSALS = 4000  # of the fast path, for each simulation
TOGETHER = 25  # simulations side by side under NUTS
BEYOND = (3.0, 30.0)  # targets: times the largest run's compute


def ranks(question: PosteriorProblem, simulations: int, seed: int, method: str) -> dict[str, Ranks]:
    """Simulate, fit, rank: of the method's draws, and of the same draws halved about their mean."""
    rng = np.random.default_rng(seed)
    truth, evidence, whitening, kept = [], [], [], []
    for i, (layer, known) in enumerate(zip(question.layers, question.evidence, strict=True)):
        loc, scale = np.asarray(known.loc), np.asarray(known.scale)
        true = loc + scale * rng.standard_normal((simulations, *loc.shape))
        y = simulated(layer, true, known, jax.random.split(jax.random.key(seed + i), (simulations, len(loc))))
        tiled = jax.tree.map(lambda v: np.broadcast_to(v, (simulations, *v.shape)), known)
        tiled = tiled._replace(data=tiled.data._replace(y=np.asarray(y)))
        flat = jax.tree.map(lambda v: np.asarray(v).reshape(-1, *v.shape[2:]), tiled)
        modes = find_modes(layer, np.asarray(flat.loc)[None], flat)
        truth.append(true)
        evidence.append(tiled)
        whitening.append(modes.whitening)
        if method == "laplace":
            drawn, *_ = draw(layer, modes.whitening, flat, DRAWS, PROPOSALS, rng)
            kept.append(drawn.reshape(DRAWS, *true.shape).swapaxes(0, 1))
    if method == "nuts":
        around = tuple(
            jax.tree.map(lambda v, t=t: v.reshape(t.shape[:2] + v.shape[2:]), w)
            for w, t in zip(whitening, truth, strict=True)
        )
        keys = jax.random.split(jax.random.key(seed), simulations)
        kept = [np.asarray(v) for v in _chains(question.layers, tuple(evidence), around, keys)]
    halved = [v.mean(axis=1, keepdims=True) + 0.5 * (v - v.mean(axis=1, keepdims=True)) for v in kept]
    return {"as it is": _ranked(question, truth, kept), "halved": _ranked(question, truth, halved)}


def _ranked(question: PosteriorProblem, truth: list[NDArray[Any]], kept: list[NDArray[Any]]) -> Ranks:
    """Ranks of every parameter and of every forecast."""
    found: dict[str, NDArray[np.int64]] = {}
    for layer, stage, true, drawn in zip(question.layers, question.bound.stages, truth, kept, strict=True):
        rank = (drawn < true[:, None]).sum(axis=1)
        names = [
            f"{public_name(layer.stage, n)}{'' if not p.shape else f' {j + 1}'}"
            for n, p in layer.parameters().items()
            for j in range(int(np.prod(p.shape, dtype=int)))
        ]
        found |= {f"{n} of {o}": rank[:, i, j] for i, o in enumerate(stage.outputs) for j, n in enumerate(names)}
    return Ranks(found | forecast_ranks(question, truth, kept))


def forecast_ranks(
    question: PosteriorProblem, truth: list[NDArray[np.float64]], kept: list[NDArray[np.float64]]
) -> dict[str, NDArray[np.int64]]:
    """Ranks ``(simulation,)`` of every forecast.

    Args:
        question: What was asked.
        truth: Layer → ``(simulation, output, p)``.
        kept: Layer → draws ``(simulation, draw, output, p)``.
    """
    finals = question.bound.runs.finals()
    top = jax.tree.map(lambda v: v[finals.flops.argmax()], finals.law_inputs)
    steps = np.log(BEYOND)
    same = {name: np.broadcast_to(leaf, (len(steps), *np.shape(leaf))) for name, leaf in top.items()}
    growth = {"params": 0.5 * steps, "tokens": 0.5 * steps, "flops": steps}
    targets = Features({**same, **{name: top[name] + more for name, more in growth.items()}})
    true_values = _forecasts(question.model, question.layers, [t[:, None] for t in truth], targets)[:, 0]
    values = _forecasts(question.model, question.layers, kept, targets)
    rank = (values < true_values[:, None]).sum(axis=1)
    outputs = (*question.model.domains, *question.model.tasks)
    return {
        f"forecast of {o} at {b:g} times": rank[:, t, j] for t, b in enumerate(BEYOND) for j, o in enumerate(outputs)
    }


def _forecasts(model: Model, layers: tuple[Layer, ...], vectors: list[NDArray[Any]], targets: Features) -> NDArray[Any]:
    return np.asarray(_predicted(model, layers, tuple(jnp.asarray(v) for v in vectors), targets))


@partial(jax.jit, static_argnums=(0, 1))
def _predicted(model: Model, layers: tuple[Layer, ...], vectors: tuple[Array, ...], targets: Features) -> Array:
    """``(simulation, draw, target, quantity)``."""

    def one(vector: tuple[Array, ...]) -> Array:
        params: StageParams = {
            layer.stage: jax.vmap(partial(unpacked, layer))(v) for layer, v in zip(layers, vector, strict=True)
        }
        return jax.vmap(lambda x: jnp.concatenate(model.apply(params, x)))(targets)

    return jax.vmap(jax.vmap(one))(vectors)


@partial(jax.jit, static_argnums=0)
def simulated(layer: Layer, vectors: Array, evidence: PosteriorData, keys: Array) -> Array:
    """Values ``(simulation, output, run, checkpoint)`` from true vectors ``(simulation, output, p)``."""

    def one(v: Array, data: Any, key: Array) -> Array:
        return simulate(layer, unpacked(layer, v), data, key)

    return jax.vmap(lambda v, k: jax.vmap(one)(v, evidence.data, k))(vectors, keys)


@partial(jax.jit, static_argnums=0)
def _chains(
    layers: tuple[Layer, ...], evidence: tuple[PosteriorData, ...], whitening: tuple[Whitening, ...], keys: Array
) -> tuple[Array, ...]:
    """Layer → thinned draws ``(simulation, draw, output, p)``; one chain a simulation."""
    sampler = Sampler(warmup=WARMUP, draws=DRAWS * THIN)

    def one(args: tuple[tuple[PosteriorData, ...], tuple[Whitening, ...], Array]) -> tuple[Array, ...]:
        return tuple(v[THIN - 1 :: THIN] for v in one_chain(layers, sampler, *args).vectors)

    return lax.map(one, (evidence, whitening, keys), batch_size=TOGETHER)
