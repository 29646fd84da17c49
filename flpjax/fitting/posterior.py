"""The posterior: everything that the ladder leaves open, both stages in one model, sampled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from flpjax.errors import InputError, did_you_mean
from flpjax.fitting.convergence import Convergence, Sampling, convergence
from flpjax.fitting.density import Evidence, noise_names, unpacked
from flpjax.fitting.draws import Draws, Ladder, StageFit
from flpjax.fitting.laplace import Mode, Whitening, find_modes, propose, slopes
from flpjax.fitting.layers import layers_of
from flpjax.fitting.likelihood import NOISE, Layer, LayerData, measured_variance
from flpjax.fitting.nuts import Sampler, sample
from flpjax.fitting.pareto import resample, smoothed
from flpjax.fitting.point import bind, fit_stages
from flpjax.fitting.priors import Normal, Priors, public_name, scaled, vectors_of
from flpjax.fitting.verdict import verdict
from flpjax.forms.form import Params
from flpjax.numerics import generator
from flpjax.predictors.predictor import Model, Plan, Prediction, Predictor, StageParams
from flpjax.runs.compute import Compute
from flpjax.runs.table import Runs

Method = Literal["nuts", "laplace"]
FARTHER = 10.0  # times the ladder's largest run, where forecasts are checked
PROPOSALS = 2  # for each draw of the fast path


def posterior(
    predictor: Predictor,
    runs: Runs,
    key: Array,
    *,
    method: Method = "nuts",
    draws: int = 2000,
    chains: int = 4,
    warmup: int = 300,
    priors: Priors | Mapping[str, Normal | tuple[ArrayLike, ArrayLike]] | None = None,
    emergence: bool | None = None,
    strict: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Draws:
    """Sample the posterior of both stages, with the noise of losses, of scores and of runs.

    The draws hold, beside the parameters, what a measured value scatters by (``noise``), and how the sampling went
    (``sampling``). Ask :func:`flpjax.convergence` of any forecast from them.

    Args:
        predictor: The method.
        runs: The ladder; held-out runs are not used.
        key: JAX random key.
        method: ``"nuts"`` samples exactly; ``"laplace"`` resamples draws around the mode by importance, a few seconds,
            and says by k̂ whether that can be trusted.
        draws: How many in all, rounded up to a multiple of the chains.
        chains: Chains of NUTS, side by side.
        warmup: Steps of each chain that are not kept.
        priors: Name → ``(loc, scale)`` in the unconstrained space, in place of those of :func:`flpjax.priors_of`; or
            all of them.
        emergence: Whether scores bend at chance (:mod:`flpjax.predictors.emerging`); None where a form that knows no
            chance level is given checkpoints near it, as with ``Selection(above_chance=None)``.
        strict: Raise if the sampling failed; otherwise a warning says so.
        progress: Called with what is done, before it is.

    Raises:
        FitError: The sampling failed: chains disagree, trajectories break off, or the fast path does not fit.
        InputError: The ladder can't carry the predictor, or an argument can't be.
        PrecisionError: JAX is in 32 bits.
    """
    for name, value, least in (("draws", draws, 8), ("chains", chains, 1), ("warmup", warmup, 20)):
        if value < least:
            raise InputError(f"{name}={value}", where="posterior", remedy=f"Give {least} at least")
    if method not in get_args(Method):
        raise InputError(
            f"there is no method '{method}'", where="posterior", remedy=did_you_mean(method, get_args(Method))
        )
    tell = progress or (lambda _: None)
    posed = pose(bind(predictor, runs), priors, emergence)
    tell("starts and modes")
    fits, modes = _begin(posed, key, chains)
    whitening = tuple(mode.whitening for mode in modes)
    each = -(-draws // chains)
    tell(f"{chains} chains of {each} draws" if method == "nuts" else f"{each * chains} draws")
    key_sample, key_noise = jax.random.split(key)
    if method == "nuts":
        found = _by_nuts(posed, whitening, Sampler(warmup=warmup, draws=each), chains, key_sample)
    else:
        found = _by_importance(posed, whitening, each * chains, chains, key_sample)
    gradient = {
        f"{layer.stage} '{output}'": float(norm)
        for layer, mode in zip(posed.layers, modes, strict=True)
        for output, norm in zip(fits[layer.stage].outputs, np.asarray(mode.gradient).min(axis=0), strict=True)
    }
    return _drawn(posed, found, fits, gradient, method, chains, key_noise, strict)


@dataclass(frozen=True, eq=False)
class Posed:
    """A plan as a question to be sampled.

    Attributes:
        plan: The bound predictor.
        layers: Its stages, static.
        evidence: Layer → data and priors.
        model: What the draws belong to.
        priors: As they can be read.
    """

    plan: Plan
    layers: tuple[Layer, ...]
    evidence: tuple[Evidence, ...]
    model: Model
    priors: Priors


def pose(
    plan: Plan,
    priors: Priors | Mapping[str, Normal | tuple[ArrayLike, ArrayLike]] | None = None,
    emergence: bool | None = None,
) -> Posed:
    """Data and priors of a plan.

    Raises:
        InputError: A prior is of no parameter, or is no distribution.
    """
    layers, data, model = layers_of(plan, emergence)
    own = scaled(plan, layers)
    if isinstance(priors, Priors):
        priors = {row.name: Normal(row.loc, row.scale) for row in priors.rows}
    chosen = own.replaced(priors or {})
    placed = vectors_of(chosen, layers)
    evidence = tuple(Evidence(d, loc, scale) for d, (loc, scale) in zip(data, placed, strict=True))
    return Posed(plan, layers, evidence, model, chosen)


@dataclass(frozen=True, eq=False)
class _Found:
    """Draws, chain after chain, and what is known of how they were made."""

    vectors: tuple[Array, ...]  # layer → (draw, output, p)
    diverging: NDArray[np.bool_]  # (chain, draw)
    steps: NDArray[np.int64]  # (chain, draw)
    longest: int
    acceptance: NDArray[np.float64]  # (chain, draw)
    khat: dict[str, float]


def _begin(posed: Posed, key: Array, chains: int) -> tuple[dict[str, StageFit], list[Mode]]:
    """The staged fits, and each layer's modes from there.

    What a first call waits for is compiling, so that layers compile beside the staged fit and beside each other.
    """
    with ThreadPoolExecutor(len(posed.layers)) as pool:
        somewhere = [np.asarray(known.loc)[None] for known in posed.evidence]
        compiling = pool.map(slopes, posed.layers, somewhere, posed.evidence)
        vectors, _, fits = fit_stages(posed.plan, np.ones((1, len(posed.plan.runs.names))), key, None, None)
        list(compiling)  # to raise here what went wrong there
        starts = [
            _starts(vectors[layer.stage], known, chains)
            for layer, known in zip(posed.layers, posed.evidence, strict=True)
        ]
        return fits, list(pool.map(find_modes, posed.layers, starts, posed.evidence))


def _starts(fitted: NDArray[np.float64], evidence: Evidence, chains: int) -> NDArray[np.float64]:
    """``(start, output, p)``: where the staged fits ended, tied ends each for a chain; noise where its prior is."""
    ends = fitted[:chains]
    loc = np.broadcast_to(np.asarray(evidence.loc), (len(ends), *evidence.loc.shape)).copy()
    known = loc[:, :, : ends.shape[2]]
    loc[:, :, : ends.shape[2]] = np.where(np.isfinite(ends), ends, known)
    return loc


def _by_nuts(
    posed: Posed, whitening: tuple[Whitening, ...], sampler: Sampler, chains: int, key: Array
) -> _Found:
    of_chain = jax.tree.map(lambda v: v[np.arange(chains) % len(v)], whitening)
    ran = sample(posed.layers, sampler, posed.evidence, of_chain, key)
    vectors = tuple(v.reshape(-1, *v.shape[2:]) for v in ran.vectors)
    diverging, steps, acceptance = (np.asarray(v) for v in (ran.diverging, ran.steps, ran.acceptance))
    return _Found(vectors, diverging, steps, 2**sampler.depth - 1, acceptance, {})


def _by_importance(
    posed: Posed, whitening: tuple[Whitening, ...], draws: int, chains: int, key: Array
) -> _Found:
    """Draws around the modes, resampled by smoothed weights, each output on its own: they are independent."""
    vectors: list[Array] = []
    khat: dict[str, float] = {}
    with ThreadPoolExecutor(len(posed.layers)) as pool:
        rngs = [generator(key, i) for i in range(len(posed.layers))]
        drawn = list(
            pool.map(
                lambda *args: propose(*args[:3], PROPOSALS * draws, args[3]), posed.layers, whitening, posed.evidence, rngs
            )
        )
    for layer, stage, weighted, rng in zip(posed.layers, posed.plan.stages, drawn, rngs, strict=True):
        kept = np.empty((draws, *weighted.vector.shape[1:]))
        for o, output in enumerate(stage.outputs):
            weight, khat[f"{layer.stage} '{output}'"] = smoothed(weighted.log_ratio[:, o])
            kept[:, o] = weighted.vector[resample(weight, draws, rng), o]
        vectors.append(jnp.asarray(kept))
    shape = (chains, draws // chains)
    return _Found(tuple(vectors), np.zeros(shape, bool), np.zeros(shape, np.int64), 1, np.ones(shape), khat)


def _drawn(
    posed: Posed,
    found: _Found,
    fits: dict[str, StageFit],
    gradient: dict[str, float],
    method: str,
    chains: int,
    key: Array,
    strict: bool,
) -> Draws:
    params: StageParams = {}
    scale: dict[str, NDArray[np.float64]] = {}
    checked: dict[str, Convergence] = {}
    noise: dict[str, NDArray[np.float64]] = {}
    averaged, rng = posed.plan.runs.final_average, generator(key, 0)
    for layer, vector, known in zip(posed.layers, found.vectors, posed.evidence, strict=True):
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
        forecasts=convergence(_probed(posed, params), chains),
        khat=found.khat,
        gradient=gradient,
        noise=noise,
    )
    warnings = posed.plan.warnings + verdict(sampling, posed, strict)
    nothing = np.zeros((len(found.vectors[0]), 0))
    measured = Prediction(*(jnp.asarray(scale.get(stage, nothing)) for stage in ("loss", "score")))
    ladder = Ladder.of(posed.plan.runs)
    return Draws(posed.model, params, "posterior", fits, ladder, warnings, measured, sampling)


def _scatter(
    layer: Layer, params: Params, variance: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """S.d. of one measured value ``(draw, output)``; heavy tails are drawn as the normals that Student's t mixes."""
    if layer.kind == "runs":
        return np.sqrt(variance)
    half = 0.5 * np.asarray(params[NOISE + "freedom"])
    return np.sqrt(variance * half / rng.standard_gamma(half))


@partial(jax.jit, static_argnums=(0, 1))
def _values(layer: Layer, averaged: int, vector: Array, evidence: Evidence) -> tuple[Params, Array]:
    """Parameters → ``(draw, output, …)``, and the variance of a measured value ``(draw, output)``."""

    def one(v: Array, data: LayerData) -> tuple[Params, Array]:
        params = unpacked(layer, v)
        return params, measured_variance(layer, params, data, averaged)

    return jax.lax.map(lambda v: jax.vmap(one)(v, evidence.data), vector, batch_size=16)


def _probed(posed: Posed, params: StageParams) -> NDArray[np.float64]:
    """``(draw, target, quantity)`` losses and scores at the largest run, and at ten times its compute."""
    finals = posed.plan.runs.finals()
    top = jax.tree.map(lambda v: v[finals.flops.argmax()], finals.compute)
    further = 0.5 * np.log(FARTHER)
    beyond = top._replace(
        log_params=top.log_params + further, log_tokens=top.log_tokens + further, log_flops=top.log_flops + 2 * further
    )
    compute = jax.tree.map(lambda *v: jnp.stack([jnp.asarray(w) for w in v]), top, beyond)
    return np.concatenate([np.asarray(v) for v in _predict(posed.model, params, compute)], axis=2)


@partial(jax.jit, static_argnums=0)
def _predict(model: Model, params: StageParams, compute: Compute) -> Prediction:
    """Losses ``(draw, target, domain)`` and scores ``(draw, target, task)``."""
    return jax.vmap(lambda p: jax.vmap(lambda x: model.apply(p, x))(compute))(params)
