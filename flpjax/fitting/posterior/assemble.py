"""From sampled vectors to Draws: parameters, what measured values scatter by, and what the chains say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.fitting.convergence import Convergence, Sampling, convergence
from flpjax.fitting.draws import Draws, LadderSummary, StageFit, expected
from flpjax.fitting.posterior.density import PosteriorData, noise_names, unpacked
from flpjax.fitting.posterior.likelihood import NOISE, Layer, LayerData, measured_variance
from flpjax.fitting.posterior.priors import public_name
from flpjax.fitting.posterior.problem import PosteriorProblem
from flpjax.fitting.posterior.verdict import verdict
from flpjax.laws.law import Params
from flpjax.methods.method import Prediction, StageParams
from flpjax.numerics import compiled, generator

FARTHER = 10.0  # times the ladder's largest run, where forecasts are checked


@dataclass(frozen=True, eq=False)
class Found:
    """Draws, chain after chain, and what is known of how they were made."""

    vectors: tuple[Array, ...]  # layer → (draw, output, p)
    diverging: NDArray[np.bool_]  # (chain, draw)
    steps: NDArray[np.int64]  # (chain, draw)
    longest: int
    acceptance: NDArray[np.float64]  # (chain, draw)
    khat: dict[str, float]


def assemble(
    problem: PosteriorProblem,
    found: Found,
    fits: dict[str, StageFit],
    gradient: dict[str, float],
    method: str,
    chains: int,
    key: Array,
    strict: bool,
) -> Draws:
    """Draws with their parameters, the noise of measured values, and the verdict on the sampling.

    Args:
        problem: What was sampled.
        found: The draws.
        fits: Stage → how its point fit ended.
        gradient: ``stage 'output'`` → slope at its mode.
        method: ``"nuts"`` or ``"laplace"``.
        chains: How many the draws are of.
        key: JAX random key, for heavy tails.
        strict: Raise if the sampling failed.

    Raises:
        FitError: It failed, and ``strict`` is set.
    """
    params: StageParams = {}
    scale: dict[str, NDArray[np.float64]] = {}
    checked: dict[str, Convergence] = {}
    noise: dict[str, NDArray[np.float64]] = {}
    averaged, rng = problem.bound.runs.final_average, generator(key, 0)
    for layer, vector, known in zip(problem.layers, found.vectors, problem.evidence, strict=True):
        everything, variance = _values(layer, averaged, vector, known)
        scale[layer.stage] = _scatter(layer, everything, np.asarray(variance), rng)
        own = noise_names(layer)
        params[layer.stage] = {n: v for n, v in everything.items() if n not in own}
        noise |= {public_name(layer.stage, n): np.asarray(everything[n]) for n in own}
        checked |= {public_name(layer.stage, n): convergence(v, chains) for n, v in everything.items()}
    sampling = Sampling(
        method=method,
        chains=chains,
        diverging=found.diverging,
        steps=found.steps,
        longest=found.longest,
        acceptance=found.acceptance,
        parameters=checked,
        forecasts=convergence(_probed(problem, params), chains),
        khat=found.khat,
        gradient=gradient,
        noise=noise,
    )
    ladder = LadderSummary.of(problem.bound.runs, problem.bound.stages)
    warnings = (*ladder.remarks, *problem.bound.warnings, *verdict(sampling, problem, strict))
    nothing = np.zeros((len(found.vectors[0]), 0))
    measured = Prediction(*(jnp.asarray(scale.get(stage, nothing)) for stage in ("loss", "score")))
    return Draws(problem.model, params, "posterior", fits, ladder, warnings, measured, sampling=sampling)


def _scatter(
    layer: Layer, params: Params, variance: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """S.d. of one measured value ``(draw, output)``; heavy tails are drawn as the normals that Student's t mixes."""
    if layer.kind == "runs":
        return np.sqrt(variance)
    half = 0.5 * np.asarray(params[NOISE + "freedom"])
    return np.sqrt(variance * half / rng.standard_gamma(half))


@partial(compiled, static_argnums=(0, 1))
def _values(layer: Layer, averaged: int, vector: Array, evidence: PosteriorData) -> tuple[Params, Array]:
    """Parameters → ``(draw, output, …)``, and the variance of a measured value ``(draw, output)``."""

    def one(v: Array, data: LayerData) -> tuple[Params, Array]:
        params = unpacked(layer, v)
        return params, measured_variance(layer, params, data, averaged)

    return jax.lax.map(lambda v: jax.vmap(one)(v, evidence.data), vector, batch_size=16)


def _probed(problem: PosteriorProblem, params: StageParams) -> NDArray[np.float64]:
    """``(draw, target, quantity)`` losses and scores at the largest run, and at ten times its compute."""
    finals = problem.bound.runs.finals()
    top = jax.tree.map(lambda v: v[finals.flops.argmax()], finals.compute)
    further = 0.5 * np.log(FARTHER)
    beyond = top._replace(
        log_params=top.log_params + further, log_tokens=top.log_tokens + further, log_flops=top.log_flops + 2 * further
    )
    compute = jax.tree.map(lambda *v: jnp.stack([jnp.asarray(w) for w in v]), top, beyond)
    return np.concatenate([np.asarray(v) for v in expected(problem.model, params, compute)], axis=2)
