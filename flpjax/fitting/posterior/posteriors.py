"""Posteriors of many ladders at once: rolling origins, resamples of runs, recipes; each converges or is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from flpjax.engine.many_chains import Asked
from flpjax.errors import FitError, InputError, check_count, count, did_you_mean, shown, some_of
from flpjax.fitting.diagnostics import ESS, RHAT
from flpjax.fitting.draws import Draws
from flpjax.fitting.point import bind
from flpjax.fitting.posterior.batch import Batch
from flpjax.fitting.posterior.layers import layers_of
from flpjax.fitting.posterior.likelihood import PosteriorData
from flpjax.fitting.posterior.networks import of_networks
from flpjax.fitting.posterior.priors import Normal, PosteriorProblem, Priors, scaled, vectors_of
from flpjax.fitting.posterior.stacked import Bound, Stack, stacked
from flpjax.fitting.posterior.together import (
    Prepared,
    fit_stack,
    prepare,
)
from flpjax.fitting.staged import guess_of
from flpjax.ladder.table import Runs
from flpjax.methods.method import BoundModel, Method
from flpjax.numerics import require_x64
from flpjax.readers.read import Table, read_runs
from flpjax.shown import ShownAsTable

Algorithm = Literal["hmc", "tempered", "laplace"]


@dataclass(frozen=True, eq=False)
class Posteriors(ShownAsTable, Mapping[str, Draws]):
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

    def to_dicts(self) -> list[dict[str, Any]]:
        """One row a ladder: its name, how its draws were made, and why there are none."""
        rows: list[dict[str, Any]] = []
        for name, drawn in self.draws.items():
            diagnostics = {} if drawn.sampling is None else drawn.sampling.to_dict()
            rows.append({"name": name, **diagnostics, "failed": None})
        return rows + [{"name": name, "failed": why} for name, why in self.failed.items()]

    def __str__(self) -> str:
        lines = [f"{count(len(self.draws), 'posterior')} of {len(self.draws) + len(self.failed)} converged"]
        sampled = [d.sampling for d in self.draws.values() if d.sampling is not None]
        if sampled and sampled[0].chained:
            rhat = max(float(s.forecasts.rhat.max()) for s in sampled)
            ess = min(float(s.forecasts.ess.min()) for s in sampled)
            lines.append(f"  R-hat of forecasts up to {rhat:.3f}, their ESS from {ess:.0f}")
        return "\n".join([*lines, *(f"  failed: {name}: {why}" for name, why in self.failed.items())])


def posteriors(
    chosen: Method,
    ladders: Mapping[str, Table] | Sequence[Table],
    key: Array,
    *,
    method: Algorithm | None = None,
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
        method: ``"hmc"`` samples exactly, by Hamiltonian Monte Carlo (:mod:`flpjax.engine.chains`); ``"tempered"``
            does where modes are many, as :func:`flpjax.posterior` does, with laws of losses that may be wrong; None
            takes it of a network, else HMC. ``"laplace"`` is the fast path of :func:`flpjax.posterior`.
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
    if not isinstance(ladders, Mapping | Sequence) or isinstance(ladders, str):
        raise InputError(f"{shown(ladders)} is one ladder", where="posteriors", remedy="Give several, in a list")
    given = ladders.items() if isinstance(ladders, Mapping) else ((str(i), table) for i, table in enumerate(ladders))
    named = {name: read_runs(table) for name, table in given}
    tell = progress or (lambda _: None)
    tell(f"{len(named)} ladders")
    bound, failed = _bound(chosen, named, emergence)
    method = method or ("tempered" if any(_trained(ladder.bound) for ladder in bound) else "hmc")
    if method == "tempered":
        carried = {ladder.name: named[ladder.name] for ladder in bound}
        each_own = of_networks(
            chosen, carried, key, draws=draws, chains=chains, priors=priors, emergence=emergence, progress=tell
        )
        return _answered(named, each_own, failed)
    for ladder in bound:
        if _trained(ladder.bound):
            raise InputError("a network's posterior has many modes", where="posteriors", remedy="Use method='tempered'")
    stacks = stacked(bound)
    tell(f"{sum(len(s.stage.outputs) for s in stacks)} fits in {count(len(stacks), 'program')}")
    each = -(-draws // (2 * chains)) * 2
    asked = Asked(each, RHAT, ESS)
    problems, prepared = _prepared(bound, stacks, priors, chains, key)
    batch = Batch(bound, problems, prepared, chains, each, key, tell)
    found = batch.fast() if method == "laplace" else batch.sampled(asked)
    return _answered(named, found, failed)


def _answered(named: Mapping[str, Runs], found: Mapping[str, Draws | str], failed: Mapping[str, str]) -> Posteriors:
    """Draws and reasons in the order that was given."""
    failed = {**failed, **{name: why for name, why in found.items() if isinstance(why, str)}}
    done = {name: found[name] for name in named if isinstance(found.get(name), Draws)}
    return Posteriors(done, {name: failed[name] for name in named if name in failed})  # type: ignore[arg-type]


def _trained(bound: BoundModel) -> bool:
    return any(stage.recipe is not None for stage in bound.stages)


def _check(method: str | None, draws: int, chains: int) -> None:
    check_count(draws, "draws", 8, where="posteriors")
    check_count(chains, "chains", 2, where="posteriors")
    if method is not None and method not in get_args(Algorithm):
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
