"""The posterior: everything that the ladder leaves open, both stages in one model, sampled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Literal, get_args

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from flpjax.errors import InputError, check_count, did_you_mean
from flpjax.fitting.draws import Draws, StageFit
from flpjax.fitting.point import bind, fit_stages
from flpjax.fitting.posterior.assemble import JUDGED, Found, assemble
from flpjax.fitting.posterior.by_group import draw_outputs
from flpjax.fitting.posterior.laplace import WIDE, Mode, Whitening, find_modes, of_outputs, slopes
from flpjax.fitting.posterior.likelihood import PosteriorData
from flpjax.fitting.posterior.nuts import Sampler, sample
from flpjax.fitting.posterior.populations import by_populations, usual_tempering
from flpjax.fitting.posterior.priors import Normal, PosteriorProblem, Priors, posterior_problem
from flpjax.methods.discrepant import with_discrepancy
from flpjax.methods.method import BoundModel, Method
from flpjax.numerics import generator, on_device
from flpjax.readers.read import Table, read_runs

Algorithm = Literal["nuts", "tempered", "laplace"]
REPORTED_STARTS = 8  # of point fits that are reported beside tempered draws, which don't begin there
PROPOSALS = 4  # for each draw of the fast path


def posterior(
    chosen: Method,
    runs: Table,
    key: Array,
    *,
    method: Algorithm | None = None,
    draws: int = 2000,
    chains: int = 4,
    warmup: int = 300,
    priors: Priors | Mapping[str, Normal | tuple[ArrayLike, ArrayLike]] | None = None,
    emergence: bool | None = None,
    discrepancy: bool | None = None,
    strict: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Draws:
    """Sample the posterior of both stages, with the noise of losses, of scores and of runs.

    The draws hold, beside the parameters, what a measured value scatters by (``noise``), and how the sampling went
    (``sampling``). Ask :func:`flpjax.convergence` of any forecast from them.

    Args:
        chosen: The method of forecasting.
        runs: The ladder; held-out runs are not used.
        key: JAX random key.
        method: ``"nuts"`` samples exactly; ``"tempered"`` does where modes are many
            (:mod:`flpjax.fitting.posterior.populations`); None takes it of a network, else NUTS. ``"laplace"``
            resamples draws around the mode by importance, a few seconds, moves them by differential evolution where k̂
            says that this is too narrow (:mod:`flpjax.fitting.posterior.importance`), and says by k̂ whether it can be
            trusted.
        draws: How many to keep, rounded up to a multiple of the chains; chains are 500 long at least, by which it is
            judged whether they agree.
        chains: Chains side by side.
        warmup: Steps of each chain of NUTS that are not kept.
        priors: Name → ``(loc, scale)`` in the unconstrained space, in place of those of :func:`flpjax.priors_of`; or
            all of them.
        emergence: Whether scores bend at chance (:mod:`flpjax.methods.emergence`); None where a law that knows no
            chance level is given checkpoints near it, as with ``Selection(above_chance=None)``.
        discrepancy: Whether laws of losses may be wrong, as ``auto`` has it (:mod:`flpjax.laws.discrepancy`); None
            where a network reads the losses, which turns what they are off by into scores.
        strict: Raise if the sampling failed; otherwise a warning says so.
        progress: Called with what is done, before it is.

    Raises:
        FitError: The sampling failed: chains disagree, trajectories break off, or the fast path does not fit.
        InputError: The ladder can't carry the method, or an argument can't be.
        PrecisionError: JAX is in 32 bits.
    """
    runs = read_runs(runs)
    for noun, value, least in (("draws", draws, 8), ("chains", chains, 1), ("steps of warm-up", warmup, 20)):
        check_count(value, noun, least, where="posterior")
    if method is not None and method not in get_args(Algorithm):
        raise InputError(
            f"there is no method '{method}'", where="posterior", remedy=did_you_mean(method, get_args(Algorithm))
        )
    tell = progress or (lambda _: None)
    plain = bind(chosen, runs)
    trained = any(stage.recipe is not None for stage in plain.stages)
    method = method or ("tempered" if trained else "nuts")
    wider = trained if discrepancy is None else discrepancy
    problem = posterior_problem(with_wrong_losses(plain) if wider else plain, priors, emergence)
    each = -(-draws // chains)
    sampled = each if method == "laplace" else max(each, JUDGED)
    key_sample, key_noise = jax.random.split(key)
    tell("starts and modes")
    gradient: dict[str, float] = {}
    if method == "tempered":
        _, _, fits = fit_stages(plain, np.ones((1, len(plain.runs.names))), key, REPORTED_STARTS, None)
        (found,) = by_populations([problem], usual_tempering(), sampled, chains, key_sample, tell)
        return assemble(problem, found, fits, gradient, method, chains, key_noise, strict, each)
    fits, modes = _begin(problem, key, chains)
    whitening = tuple(mode.whitening for mode in modes)
    tell(f"{chains} chains of {sampled} draws" if method == "nuts" else f"{each * chains} draws")
    if method == "nuts":
        found = _by_nuts(problem, whitening, Sampler(warmup=warmup, draws=sampled), chains, key_sample)
    else:
        found = _by_importance(problem, whitening, each * chains, chains, key_sample)
    gradient = {
        f"{layer.stage} '{output}'": float(norm)
        for layer, mode in zip(problem.layers, modes, strict=True)
        for output, norm in zip(fits[layer.stage].outputs, np.asarray(mode.gradient).min(axis=0), strict=True)
    }
    return assemble(problem, found, fits, gradient, method, chains, key_noise, strict, each)


def with_wrong_losses(bound: BoundModel) -> BoundModel:
    """The same with a discrepancy around the law of losses, and none around that of scores."""
    losses = tuple(stage for stage in bound.stages if stage.name == "loss")
    wider = with_discrepancy(replace(bound, stages=losses))
    return replace(wider, stages=(*wider.stages, *bound.stages[len(losses) :]))


def _begin(problem: PosteriorProblem, key: Array, chains: int) -> tuple[dict[str, StageFit], list[Mode]]:
    """The staged fits, and each layer's modes from there.

    What a first call waits for is compiling, so that layers compile beside the staged fit and beside each other.
    """
    with ThreadPoolExecutor(len(problem.layers)) as pool:
        groups = [of_outputs(known, np.arange(len(known.loc))[:WIDE]) for known in problem.evidence]
        compiling = pool.map(slopes, problem.layers, [known.loc[None] for known in groups], groups)
        vectors, _, fits = fit_stages(problem.bound, np.ones((1, len(problem.bound.runs.names))), key, None, None)
        list(compiling)  # to raise here what went wrong there
        starts = [
            _starts(vectors[layer.stage], known, chains)
            for layer, known in zip(problem.layers, problem.evidence, strict=True)
        ]
        return fits, list(pool.map(find_modes, problem.layers, starts, problem.evidence))


def _starts(fitted: NDArray[np.float64], evidence: PosteriorData, chains: int) -> NDArray[np.float64]:
    """``(start, output, p)``: where the staged fits ended, tied ends each for a chain; noise where its prior is."""
    ends = fitted[:chains]
    loc = np.broadcast_to(np.asarray(evidence.loc), (len(ends), *evidence.loc.shape)).copy()
    known = loc[:, :, : ends.shape[2]]
    loc[:, :, : ends.shape[2]] = np.where(np.isfinite(ends), ends, known)
    return loc


def _by_nuts(
    problem: PosteriorProblem, whitening: tuple[Whitening, ...], sampler: Sampler, chains: int, key: Array
) -> Found:
    of_chain = jax.tree.map(lambda v: v[np.arange(chains) % len(v)], whitening)
    ran = sample(problem.layers, sampler, problem.evidence, of_chain, key)
    vectors = tuple(v.reshape(-1, *v.shape[2:]) for v in ran.vectors)
    diverging, steps, acceptance = (np.asarray(v) for v in (ran.diverging, ran.steps, ran.acceptance))
    return Found(vectors, diverging, steps, 2**sampler.depth - 1, acceptance, {}, {})


def _by_importance(
    problem: PosteriorProblem, whitening: tuple[Whitening, ...], draws: int, chains: int, key: Array
) -> Found:
    """Draws around the modes, weighed by the exact density."""
    vectors: list[Array] = []
    khat: dict[str, float] = {}
    worth: dict[str, float] = {}
    rngs = [generator(key, i) for i in range(len(problem.layers))]
    with ThreadPoolExecutor(len(rngs)) as pool:
        counts = [draws] * len(rngs), [PROPOSALS * draws] * len(rngs)
        drawn = list(pool.map(draw_outputs, problem.layers, whitening, problem.evidence, *counts, rngs))
    for layer, stage, (vector, *known) in zip(problem.layers, problem.bound.stages, drawn, strict=True):
        vectors.append(on_device(vector))
        for found, values in zip((khat, worth), known, strict=True):
            found |= {f"{layer.stage} '{output}'": float(v) for output, v in zip(stage.outputs, values, strict=True)}
    shape = (chains, draws // chains)
    return Found(tuple(vectors), np.zeros(shape, bool), np.zeros(shape, np.int64), 1, np.ones(shape), khat, worth)
