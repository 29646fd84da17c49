"""From sampled vectors to Draws: parameters, the noise of measured values, and whether the sampling can be used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.errors import FitError, some_of
from flpjax.fitting.diagnostics import ESS, ESS_BAD, RHAT, Convergence, Sampling, convergence
from flpjax.fitting.draws import Draws, LadderSummary, StageFit
from flpjax.fitting.posterior.likelihood import (
    NOISE,
    Layer,
    LayerData,
    PosteriorData,
    measured_variance,
    noise_names,
    unpacked,
)
from flpjax.fitting.posterior.priors import PosteriorProblem, public_name
from flpjax.fitting.posterior.weights import RELIABLE
from flpjax.fitting.predicted import predict
from flpjax.laws.law import Params
from flpjax.methods.method import Prediction, StageName, StageParams
from flpjax.numerics import compiled, generator, on_device

Said = list[tuple[str, str]]
"""What is wrong, and the remedy."""

JUDGED = 500
"""Draws of each chain by which it is judged whether chains agree, however few are asked for: few never seem to."""
HOPELESS_RHAT = 1.05
HOPELESS_SHARE = 0.01  # of draws that diverge
HOPELESS_KHAT = 1.0
CLIMBED = 1e-2  # norm of the gradient at a mode, in units of the prior


def verdict(sampling: Sampling, problem: PosteriorProblem, strict: bool) -> tuple[str, ...]:
    """Warnings about a sampling that is less than it should be.

    Raises:
        FitError: It failed, and ``strict`` is set.
    """
    bad: Said = []
    doubtful: Said = []
    if sampling.chained:
        _judge_chains(sampling, problem, bad, doubtful)
    else:
        _judge_weights(sampling, bad, doubtful)
    if bad and strict:
        what, remedy = bad[0]
        raise FitError(what, where=f"posterior on {problem.bound.runs.source}", remedy=remedy)
    return tuple(f"posterior: {what}. {remedy}" for what, remedy in (*bad, *doubtful))


def _judge_chains(sampling: Sampling, problem: PosteriorProblem, bad: Said, doubtful: Said) -> None:
    names = (*problem.model.domains, *problem.model.tasks)
    rhat, ess = sampling.forecasts.rhat, sampling.forecasts.ess
    trained = any(stage.recipe is not None for stage in problem.bound.stages)
    longer = "Sample longer (--draws 8000; in Python draws=8000, warmup=1000), or give narrower priors (priors=…)"
    if trained:
        longer = "The modes of a network don't mix: use method='tempered', or a straight map (DomainLinear)"
    tempered = sampling.method == "tempered"
    if tempered:
        longer = "Give narrower priors (priors=…), or use bootstrap(), or a straight map (DomainLinear)"
    if np.isnan(rhat).any():
        bad.append((f"forecasts of {_worst(np.isnan(rhat), names)} are not finite or never moved", longer))
    elif (rhat >= RHAT).any():
        place = bad if rhat.max() >= HOPELESS_RHAT else doubtful
        place.append(
            (f"chains disagree on forecasts of {_worst(rhat >= RHAT, names)} (R-hat {rhat.max():.3f})", longer)
        )
    if (ess < ESS).any():
        (bad if tempered and np.nanmin(ess) < ESS_BAD else doubtful).append(
            (
                f"forecasts of {_worst(ess < ESS, names)} rest on an effective {np.nanmin(ess):.0f} draws, "
                f"{ESS:.0f} are needed for the ends of an interval",
                longer if trained and not tempered else "Ask for more draws",
            )
        )
    broken = sampling.divergences
    if broken:
        place = bad if broken > HOPELESS_SHARE * sampling.diverging.size else doubtful
        place.append(
            (
                f"{broken} of {sampling.diverging.size} trajectories broke off: a part of the posterior may be missing",
                "Give narrower priors (priors=…) or a form with fewer parameters",
            )
        )
    if not (trained or tempered) and sampling.max_rhat >= HOPELESS_RHAT:
        worst = max(sampling.parameters.items(), key=lambda item: float(np.nanmax(item[1].rhat, initial=1.0)))[0]
        bad.append((f"chains disagree on '{worst}' (R-hat {sampling.max_rhat:.3f})", longer))


def _judge_weights(sampling: Sampling, bad: Said, doubtful: Said) -> None:
    steep = {name: norm for name, norm in sampling.gradient.items() if not norm <= CLIMBED}
    if steep:
        worst = max(steep, key=lambda name: steep[name] if np.isfinite(steep[name]) else np.inf)
        bad.append((f"no mode was found for {worst} (slope {steep[worst]:.1e})", "Use method='nuts'"))
    if sampling.max_khat > RELIABLE:
        worst = max(sampling.khat, key=lambda name: sampling.khat[name])
        others = sum(k > RELIABLE for k in sampling.khat.values()) - 1
        also = f" and {others} more" if others else ""
        place = bad if sampling.max_khat > HOPELESS_KHAT else doubtful
        place.append((f"the fast path does not fit {worst}{also} (k-hat {sampling.max_khat:.2f})", "Use method='nuts'"))


def _worst(flags: NDArray[np.bool_], names: tuple[str, ...]) -> str:
    """The quantities with a flag ``(target, quantity)``."""
    found = [f"'{n}'" for n, flag in zip(names, np.any(flags, axis=0).tolist(), strict=True) if flag]
    return some_of(found, 3)


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
    effective: dict[str, float]


def assemble(
    problem: PosteriorProblem,
    found: Found,
    fits: dict[str, StageFit],
    gradient: dict[str, float],
    method: str,
    chains: int,
    key: Array,
    strict: bool,
    keep: int | None = None,
) -> Draws:
    """Draws with their parameters, the noise of measured values, and the verdict on the sampling.

    Args:
        problem: What was sampled.
        found: The draws.
        fits: Stage → how its point fit ended.
        gradient: ``stage 'output'`` → slope at its mode.
        method: ``"nuts"``, ``"hmc"``, ``"tempered"`` or ``"laplace"``.
        chains: How many the draws are of.
        key: JAX random key, for heavy tails.
        strict: Raise if the sampling failed.
        keep: Draws of each chain that are kept, evenly spaced, once all have been judged; None keeps all.

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
        checked |= {
            public_name(layer.stage, n): _of_output(found, layer.stage, fits[layer.stage].outputs, v)
            if found.effective
            else convergence(v, chains)
            for n, v in everything.items()
        }
    sampling = Sampling(
        method=method,
        chains=chains,
        diverging=found.diverging,
        steps=found.steps,
        longest=found.longest,
        acceptance=found.acceptance,
        parameters=checked,
        forecasts=_of_forecasts(found, problem) if found.effective else convergence(_probed(problem, params), chains),
        khat=found.khat,
        gradient=gradient,
        noise=noise,
        effective=found.effective,
    )
    ladder = LadderSummary.of(problem.bound.runs, problem.bound.stages)
    warnings = (*ladder.remarks, *problem.bound.warnings, *verdict(sampling, problem, strict))
    nothing = np.zeros((len(found.vectors[0]), 0))
    measured = Prediction(*(on_device(scale.get(stage, nothing)) for stage in ("loss", "score")))
    every = Draws(problem.model, params, "posterior", fits, ladder, warnings, measured, sampling=sampling)
    return every if keep is None or keep >= found.diverging.shape[1] else _thinned(every, keep)


def _thinned(draws: Draws, keep: int) -> Draws:
    """Evenly spaced draws, ``keep`` of each chain; what is said of the sampling is of all."""
    sampling = draws.sampling
    assert sampling is not None
    chains, each = sampling.diverging.shape
    kept = np.linspace(0, each - 1, keep).round().astype(int)
    rows = (each * np.arange(chains)[:, None] + kept).ravel()

    def of(tree: Any) -> Any:
        return jax.tree.map(lambda v: v[rows], tree)

    by_chain = {name: getattr(sampling, name)[:, kept] for name in ("diverging", "steps", "acceptance")}
    sampling = replace(sampling, noise=of(sampling.noise), **by_chain)
    return replace(draws, params=of(draws.params), fitted_noise=of(draws.fitted_noise), sampling=sampling)


def _of_output(found: Found, stage: StageName, outputs: tuple[str, ...], values: Array) -> Convergence:
    """Of a parameter ``(draw, output, …)`` by the fast path: no R̂, and its output's effective number."""
    worth = np.array([found.effective[f"{stage} '{output}'"] for output in outputs])
    shape = values.shape[1:]
    each = np.broadcast_to(worth.reshape(-1, *(1,) * (len(shape) - 1)), shape)
    return Convergence(np.full(shape, np.nan), each.copy())


def _of_forecasts(found: Found, problem: PosteriorProblem) -> Convergence:
    """The same of losses and scores ``(target, quantity)``: a score is worth what the least of its draws are."""
    model = problem.model
    loss = [found.effective.get(f"loss '{name}'", np.inf) for name in model.domains]
    through = model.via or ((),) * len(model.tasks)
    score = [
        min([found.effective.get(f"score '{task}'", np.inf), *(loss[i] for i in via)])
        for task, via in zip(model.tasks, through, strict=True)
    ]
    each = np.array([[*loss, *score]] * 2)
    return Convergence(np.full(each.shape, np.nan), each)


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
    top = jax.tree.map(lambda v: v[finals.flops.argmax()], finals.law_inputs)
    further = 0.5 * np.log(FARTHER)
    growth = {"params": further, "tokens": further, "flops": 2 * further}
    beyond = top.replace(**{name: top[name] + more for name, more in growth.items() if name in top})
    compute = jax.tree.map(lambda *v: np.stack([np.asarray(w) for w in v]), top, beyond)
    return np.concatenate([np.asarray(v) for v in predict(problem.model, params, compute)], axis=2)


def forecasts_of(problem: PosteriorProblem, vectors: tuple[Array, ...]) -> NDArray[np.float64]:
    """``(draw, target, quantity)`` what convergence is judged by: losses and scores at the largest run, and farther.

    Args:
        problem: What was sampled.
        vectors: Layer → unconstrained ``(draw, output, p)``.
    """
    params: StageParams = {}
    for layer, vector in zip(problem.layers, vectors, strict=True):
        own = noise_names(layer)
        params[layer.stage] = {n: v for n, v in _inside(layer, vector).items() if n not in own}
    return _probed(problem, params)


def _inside(layer: Layer, vectors: Array) -> Params:
    """Parameters ``(draw, output, …)`` of unconstrained vectors, on the host."""
    values, params, at = np.asarray(vectors), {}, 0
    for name, parameter in layer.parameters().items():
        count = int(np.prod(parameter.shape, dtype=int))
        free = values[..., at : at + count].reshape(*values.shape[:-1], *parameter.shape)
        params[name] = on_device(parameter.inside(free))
        at += count
    return params
