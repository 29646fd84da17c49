"""Posteriors of many ladders at once: rolling origins, resamples of runs, recipes; each converges or is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from zlib import crc32

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from flpjax.engine.many_chains import WINDOWS, Asked, Sampled
from flpjax.errors import FitError, FlpjaxError, InputError, count, did_you_mean, some_of
from flpjax.fitting.diagnostics import ESS, RHAT
from flpjax.fitting.draws import Draws, StageFit
from flpjax.fitting.point import bind
from flpjax.fitting.posterior.assemble import Found, assemble
from flpjax.fitting.posterior.layers import layers_of
from flpjax.fitting.posterior.likelihood import PosteriorData
from flpjax.fitting.posterior.posterior import PROPOSALS
from flpjax.fitting.posterior.priors import Normal, PosteriorProblem, Priors, scaled, vectors_of
from flpjax.fitting.posterior.stacked import Bound, Stack, stacked
from flpjax.fitting.posterior.together import (
    Prepared,
    begin_chains,
    draw_fast,
    fit_stack,
    in_threads,
    prepare,
    settle_chains,
    unsettled,
)
from flpjax.fitting.staged import guess_of
from flpjax.ladder.table import Runs
from flpjax.methods.method import Method
from flpjax.numerics import on_device, require_x64

Algorithm = Literal["hmc", "laplace"]
REMEDY = "Narrow the priors (priors=), or take a form with fewer parameters"


@dataclass(frozen=True, eq=False)
class Posteriors(Mapping[str, Draws]):
    """Draws by the name of their ladder, and which ladders have none.

    Attributes:
        draws: Name → draws of those that converged, in the order that was given.
        failed: Name → why there are none of the others.
    """

    draws: Mapping[str, Draws]
    failed: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Draws:
        """The draws of one ladder.

        Raises:
            FitError: They failed; the message says why.
            InputError: There is no ladder of this name.
        """
        if name in self.failed:
            raise FitError(self.failed[name], where=name)
        if name not in self.draws:
            raise InputError(f"there is no ladder '{name}'", remedy=did_you_mean(name, [*self.draws, *self.failed]))
        return self.draws[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.draws)

    def __len__(self) -> int:
        return len(self.draws)

    def table(self) -> list[dict[str, Any]]:
        """One row a ladder: its name, how its draws were made, and why there are none."""
        rows: list[dict[str, Any]] = []
        for name, drawn in self.draws.items():
            told = {} if drawn.sampling is None else drawn.sampling.to_dict()
            rows.append({"name": name, **told, "failed": None})
        return rows + [{"name": name, "failed": why} for name, why in self.failed.items()]

    def __str__(self) -> str:
        lines = [f"{count(len(self.draws), 'posterior')} of {len(self.draws) + len(self.failed)} converged"]
        sampled = [d.sampling for d in self.draws.values() if d.sampling is not None]
        if sampled and sampled[0].has_chains:
            rhat = max(float(s.forecasts.rhat.max()) for s in sampled)
            ess = min(float(s.forecasts.ess.min()) for s in sampled)
            lines.append(f"  R-hat of forecasts up to {rhat:.3f}, their ESS from {ess:.0f}")
        return "\n".join([*lines, *(f"  failed: {name}: {why}" for name, why in self.failed.items())])


def posteriors(
    chosen: Method,
    ladders: Mapping[str, Runs] | Sequence[Runs],
    key: Array,
    *,
    method: Algorithm = "hmc",
    draws: int = 2000,
    chains: int = 4,
    priors: Mapping[str, Normal | tuple[ArrayLike, ArrayLike]] | None = None,
    emergence: bool | None = None,
    progress: Callable[[str], None] | None = None,
) -> Posteriors:
    """Sample the posteriors of one method on many ladders, all in one program.

    The same posteriors as those of :func:`flpjax.posterior`, one by one; nothing is shared between ladders. Every
    output's chains have their own step and mass matrix, and go on until they agree; those that never do cost the others
    next to nothing, and their ladder is named. Draws of a ladder depend on its name and not on its place.

    Args:
        chosen: The method of forecasting.
        ladders: Name → ladder; or ladders, which are called ``0``, ``1`` and so on. Held-out runs are not used, so that
            origins of a backtest are ``{str(k): runs.hold_out(runs.largest(k)) for k in …}``.
        key: JAX random key.
        method: ``"hmc"`` samples exactly, by Hamiltonian Monte Carlo (:mod:`flpjax.engine.chains`); ``"laplace"`` is
            the fast path of :func:`flpjax.posterior`.
        draws: How many of each ladder, rounded up to a multiple of twice the chains.
        chains: Chains of each output, side by side.
        priors: As for :func:`flpjax.posterior`; the same for all.
        emergence: As for :func:`flpjax.posterior`.
        progress: Called with what is done, before it is.

    Returns:
        Draws of all ladders that converged: R̂ of every parameter and forecast below 1.01, effective sample sizes above
        400; by the fast path, k̂ as :func:`flpjax.posterior` asks. The others by name, with the reason.

    Raises:
        InputError: No ladder can carry the method, or an argument can't be.
        PrecisionError: JAX is in 32 bits.
    """
    _check(method, draws, chains)
    require_x64("sampling posteriors")
    named = dict(ladders.items() if isinstance(ladders, Mapping) else ((str(i), r) for i, r in enumerate(ladders)))
    tell = progress or (lambda _: None)
    tell(f"{len(named)} ladders")
    bound, failed = _bound(chosen, named, emergence)
    stacks = stacked(bound)
    tell(f"{sum(len(s.stage.outputs) for s in stacks)} fits in {count(len(stacks), 'program')}")
    each = -(-draws // (2 * chains)) * 2
    asked = Asked(each, RHAT, ESS)
    problems, prepared = _prepared(bound, stacks, priors, chains, key)
    batch = _Batch(bound, problems, prepared, chains, each, key, tell)
    found = batch.fast() if method == "laplace" else batch.sampled(asked)
    failed |= {name: why for name, why in found.items() if isinstance(why, str)}
    done = {name: found[name] for name in named if isinstance(found.get(name), Draws)}
    return Posteriors(done, {name: failed[name] for name in named if name in failed})  # type: ignore[arg-type]


def _check(method: str, draws: int, chains: int) -> None:
    for name, value, least in (("draws", draws, 8), ("chains", chains, 2)):
        if value < least:
            raise InputError(f"{name}={value}", where="posteriors", remedy=f"Give {least} at least")
    if method not in get_args(Algorithm):
        remedy = did_you_mean(method, get_args(Algorithm))
        raise InputError(f"there is no method '{method}'", where="posteriors", remedy=remedy)


def _bound(chosen: Method, named: Mapping[str, Runs], emergence: bool | None) -> tuple[list[Bound], dict[str, str]]:
    """The ladders that carry the method, and why the others don't."""
    if not named:
        raise InputError("there are no ladders", where="posteriors", remedy="Give one at least")
    found: list[Bound] = []
    failed: dict[str, str] = {}
    for name, runs in named.items():
        try:
            bound = bind(chosen, runs)
            found.append(Bound(name, bound, *layers_of(bound, emergence)))
        except InputError as error:
            failed[name], last = str(error), error
    if not found:
        raise InputError(
            f"none of {count(len(named), 'ladder')} carries the method: {last.what}",
            where=last.where or some_of(list(failed)),
            remedy=last.remedy,
        )
    return found, failed


def _prepared(
    bound: Sequence[Bound],
    stacks: Sequence[Stack],
    priors: Mapping[str, Normal | tuple[ArrayLike, ArrayLike]] | None,
    chains: int,
    key: Array,
) -> tuple[list[PosteriorProblem], list[Prepared]]:
    """Problems with their priors, and stacks with their modes; stacks beside each other, for the compiler's sake."""
    with ThreadPoolExecutor(len(stacks)) as pool:
        fitting = [pool.submit(fit_stack, stack, key) for stack in stacks]
        guesses: dict[tuple[int, int], NDArray[np.float64]] = {}
        for stack in stacks:
            guess = guess_of(stack.stage)
            for place in stack.places:
                guesses[place.ladder, place.stage] = guess[place.first : place.first + place.outputs]
        problems = []
        for i, ladder in enumerate(bound):
            own = scaled(ladder.bound, ladder.layers, [guesses[i, s] for s in range(len(ladder.layers))])
            chosen = own.replaced(priors or {})
            problems.append(_problem(ladder, chosen))
        placed = [
            [tuple(map(np.asarray, (e.loc, e.scale))) for e in (problems[p.ladder].evidence[p.stage] for p in s.places)]
            for s in stacks
        ]
        fitted = [future.result() for future in fitting]
        return problems, list(pool.map(prepare, stacks, fitted, placed, [chains] * len(stacks)))


def _problem(ladder: Bound, priors: Priors) -> PosteriorProblem:
    placed = vectors_of(priors, ladder.layers)
    evidence = tuple(PosteriorData(d, *p) for d, p in zip(ladder.data, placed, strict=True))
    return PosteriorProblem(ladder.bound, ladder.layers, evidence, ladder.model, priors)


@dataclass(frozen=True, eq=False)
class _Batch:
    """All ladders, on the way from modes to draws."""

    bound: Sequence[Bound]
    problems: Sequence[PosteriorProblem]
    prepared: Sequence[Prepared]
    chains: int
    each: int  # draws of a chain
    key: Array
    tell: Callable[[str], None]

    def sampled(self, asked: Asked) -> dict[str, Draws | str]:
        """Draws by name, or why there are none. Ladders whose forecasts have not converged go on, longer."""
        states = [begin_chains(p, self.bound, self.chains, asked, self.key) for p in self.prepared]
        found: dict[int, Draws | str] = {}
        again: list[NDArray[np.bool_] | None] = [None] * len(states)
        todo = list(range(len(self.bound)))
        for _ in WINDOWS:
            with ThreadPoolExecutor(len(states)) as pool:
                asks = [asked] * len(states), again, [self.tell] * len(states)
                states = list(pool.map(settle_chains, self.prepared, states, *asks))
            self.tell(f"{count(len(todo), 'posterior')}: forecasts")
            found |= zip(todo, in_threads(lambda i: self._drawn(i, states), todo), strict=True)  # noqa: B023
            short = {i: _short(result) for i in todo if isinstance(result := found[i], Draws)}
            todo = [i for i, outputs in short.items() if outputs]
            if not todo:
                break
            again = [self._of({i: short[i] for i in todo}, p) for p in self.prepared]
        found |= dict.fromkeys(todo, f"chains disagree on forecasts. {REMEDY}")
        return {self.bound[i].name: result for i, result in sorted(found.items())}

    def fast(self) -> dict[str, Draws | str]:
        """The same by the fast path."""
        most = [max(place.outputs for place in p.stack.places) for p in self.prepared]
        total = self.each * self.chains
        jobs = [(p, place, m) for p, m in zip(self.prepared, most, strict=True) for place in p.stack.places]
        self.tell(f"{total} draws of each")
        ran = in_threads(
            lambda job: draw_fast(
                job[0], job[1], self.bound[job[1].ladder], job[2], total, PROPOSALS * total, self.key
            ),
            jobs,
        )
        by_stage = {(job[1].ladder, job[1].stage): result for job, result in zip(jobs, ran, strict=True)}

        def assembled(i: int) -> Draws | str:
            khat: dict[str, float] = {}
            worth: dict[str, float] = {}
            vectors = []
            for s, stage in enumerate(self.bound[i].bound.stages):
                vector, *known = by_stage[i, s]
                vectors.append(on_device(vector))
                for told, values in zip((khat, worth), known, strict=True):
                    told |= {f"{stage.name} '{o}'": float(v) for o, v in zip(stage.outputs, values, strict=True)}
            shape = (self.chains, self.each)
            nothing = np.zeros(shape, bool), np.zeros(shape, np.int64), 1, np.ones(shape)
            return self._assembled(i, Found(tuple(vectors), *nothing, khat, worth), "laplace")

        found = in_threads(assembled, range(len(self.bound)))
        return {ladder.name: result for ladder, result in zip(self.bound, found, strict=True)}

    def _drawn(self, i: int, states: Sequence[Sampled]) -> Draws | str:
        """Of chains."""
        vectors: dict[int, Array] = {}
        diverging, steps, acceptance = (
            np.zeros((self.chains, self.each), bool),
            np.zeros((self.chains, self.each), np.int64),
            [],
        )
        for p, state in zip(self.prepared, states, strict=True):
            for place in p.stack.places:
                if place.ladder != i:
                    continue
                why = unsettled(state, place, self.bound[i])
                if why:
                    return f"{why}. {REMEDY}"
                own = slice(place.first, place.first + place.outputs)
                chain_by_chain = np.moveaxis(state.seen.vectors[own], 0, 2)  # (chain, draw, output, p)
                vectors[place.stage] = on_device(chain_by_chain.reshape(-1, *chain_by_chain.shape[2:]))
                diverging |= state.seen.diverging[own].any(axis=0)
                steps = np.maximum(steps, state.seen.steps[own].max(axis=0))
                acceptance.append(state.seen.acceptance[own].mean(axis=0))
        longest = max(w.longest * w.thin for w in WINDOWS)
        ordered = tuple(vectors[s] for s in range(len(vectors)))
        return self._assembled(i, Found(ordered, diverging, steps, longest, np.mean(acceptance, axis=0), {}, {}), "hmc")

    def _assembled(self, i: int, found: Found, method: str) -> Draws | str:
        problem, ladder = self.problems[i], self.bound[i]
        fits: dict[str, StageFit] = {}
        gradient: dict[str, float] = {}
        for p in self.prepared:
            for place in p.stack.places:
                if place.ladder == i:
                    stage = ladder.bound.stages[place.stage]
                    fits[stage.name] = p.fit_of(place, ladder)
                    slopes = p.gradient[place.first : place.first + place.outputs]
                    gradient |= {f"{stage.name} '{o}'": float(g) for o, g in zip(stage.outputs, slopes, strict=True)}
        key = jax.random.fold_in(self.key, crc32(ladder.name.encode()))
        try:
            return assemble(problem, found, fits, gradient, method, self.chains, key, strict=method == "laplace")
        except FlpjaxError as error:
            return str(error)

    def _of(self, short: Mapping[int, set[tuple[str, str]]], prepared: Prepared) -> NDArray[np.bool_]:
        """``(output,)`` whether it is one of these stages' and outputs, by ladder."""
        stack = prepared.stack
        flags = np.zeros(len(stack.stage.outputs), bool)
        for place in stack.places:
            for o in range(place.first, place.first + place.outputs):
                flags[o] = (stack.layer.stage, stack.stage.outputs[o]) in short.get(place.ladder, ())
        return flags


def _short(draws: Draws) -> set[tuple[str, str]]:
    """Stages and outputs whose draws have to go on, since a forecast from them has not converged."""
    model, known = draws.model, draws.sampling
    if known is None:
        return set()
    rhat, ess = known.forecasts
    bad = np.asarray(~((rhat < RHAT) & (ess > ESS)).all(axis=0))  # NaN is bad
    found: set[tuple[str, str]] = set()
    for flag, name in zip(
        bad, [*(("loss", d) for d in model.domains), *(("score", t) for t in model.tasks)], strict=True
    ):
        if flag:
            through = model.via[model.tasks.index(name[1])] if name[0] == "score" and model.via else ()
            found |= {name, *(("loss", model.domains[i]) for i in through)}
    return found
