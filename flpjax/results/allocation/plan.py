"""Runs or draws in, the compute-optimal allocation of budgets out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array

from flpjax.errors import FitError, InputError, did_you_mean
from flpjax.fitting.draws import Draws, check_draw_count
from flpjax.fitting.fit import AnyMethod, fit
from flpjax.fitting.fit import check_carried as check_method
from flpjax.fitting.point import training_of
from flpjax.ladder.table import Runs
from flpjax.numerics import require_x64
from flpjax.results.allocation.allocation import Allocation
from flpjax.results.allocation.conventions import PARAMS, Convention, choices, converted, words_of
from flpjax.results.allocation.described import described
from flpjax.results.allocation.law_road import LawRoad, check_design, law_road
from flpjax.results.allocation.limits import Limits
from flpjax.results.allocation.road import Road
from flpjax.results.allocation.roads import roads_of
from flpjax.results.allocation.sweep import is_sweep, sweep_envelope
from flpjax.results.allocation.valley import valleys
from flpjax.results.prediction import check_level

DRAWS = 400
SEED = 0  # of the key, where none is given: a plan of a table is the same whenever it is asked for
EXPONENTS_OVER = (0.1, 10.0)
"""Times a lone budget: what exponents are read off over. A straight line's are the same whatever the span."""

Budget = float | Sequence[float]


def plan(
    source: Runs | Draws,
    budget: Budget,
    key: Array | None = None,
    *,
    method: AnyMethod | None = None,
    via: str | None = None,
    draws: int = DRAWS,
    level: float = 0.9,
    inference_tokens: float = 0.0,
    most_params: float | None = None,
    unique_tokens: float | None = None,
    features: Mapping[str, float] | None = None,
    params_by: str = PARAMS,
    flops_by: str = "table",
    compare: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Allocation:
    """The N and D that a training budget is best divided into, with intervals, by all roads that the runs allow.

    Of runs: a law of N and D (Hoffmann et al.'s approach 3), resampled by run; where runs of equal cost differ in N,
    parabolas through them (approach 2), as they are and with what a parabola does to the law's own lopsided valley
    taken off; where there are training curves, their lower envelope (approach 1); and the blend of law and corrected
    parabolas by their precision, which is the headline. Of draws: theirs alone.

    Args:
        source: A ladder, of which held-out runs are not used; or draws of a model that reads N and D.
        budget: Training FLOPs, one or several, counted as the ladder counts them.
        key: JAX random key of the resamples; None for the same one every time.
        method: What to fit in place of a robust Chinchilla law; as :func:`flpjax.method` gives it.
        via: The loss that is lowest at an optimum; None for the first that is no task's own.
        draws: Resamples.
        level: Probability of the intervals.
        inference_tokens: Tokens that the model will process over its life, which the budget pays for, too.
        most_params: N at most.
        unique_tokens: Different tokens there are; the runs must tell what repetition is worth (``x/unique_tokens``).
        features: Other features that the law reads, by name.
        params_by: What N is: ``params``, or the name of a column ``x/<name>``, say of active or of all parameters.
        flops_by: ``table``, or ``6nd``.
        compare: Fit by every way of counting N and FLOPs that the table allows, for one table of exponents.
        progress: Called with what is done.

    Raises:
        InputError: The runs can't tell how a budget is best divided, or an argument can't be.
        FitError: The law could not be fitted.
        PrecisionError: JAX is in 32 bits.
    """
    require_x64("a plan")
    check_level(level)
    budgets = check_budgets(budget)
    limits = Limits(inference_tokens, most_params, unique_tokens)
    key = jax.random.key(SEED) if key is None else key
    note: tuple[str, ...] = ()
    if isinstance(source, Draws):
        own = _of_draws(source, limits, params_by, flops_by)
        domain = _domain(source.model.domains, via, source.ladder.source)
        training = runs = None
    else:
        if draws < 2:
            raise InputError(f"{draws} draws", where="draws", remedy="Ask for 2 at least, or plan from a point fit")
        check_draw_count(draws)
        check_carried(source, budgets, via, limits)
        training = training_of(source)
        domain = _domain(training.general_domains, via, source.source)
        if is_sweep(training, domain):
            swept = sweep_envelope(training, domain)
            training, note = swept.runs, (swept.words,)
        runs = converted(training, params_by, flops_by)
        own = _fitted(runs, domain, key, draws, method, progress)
    if progress is not None:
        progress("searching valleys")
    found = roads_of(own, runs, domain, budgets, limits, features, key)
    found = found._replace(notes=(*note, *found.notes))
    _refuse_without(found.headline, own.draws, budgets, domain)
    compared: tuple[Convention, ...] = ()
    if training is not None and compare and method is None:
        compared = _compared(training, domain, budgets, key, draws, level)
    return described(found, own, domain, budgets, limits, level, features, words_of(params_by, flops_by), compared)


def check_budgets(budget: Budget) -> list[float]:
    """Budgets in ascending order.

    Raises:
        InputError: There is none, one is not a positive number, or two are the same.
    """
    budgets = [float(b) for b in ([budget] if isinstance(budget, int | float) else budget)]
    if not budgets:
        raise InputError("there is no budget", where="budget", remedy="Give training FLOPs, say 1e24")
    for b in budgets:
        if not 1.0 <= b < np.inf:
            raise InputError(f"a budget of {b:g} FLOPs", where="budget", remedy="Give a positive number, say 1e24")
    if len(set(budgets)) < len(budgets):
        raise InputError("a budget is given twice", where="budget", remedy="Give each once")
    return sorted(budgets)


def check_carried(runs: Runs, budgets: Sequence[float], via: str | None, limits: Limits) -> None:
    """What can be refused before anything is fitted.

    Raises:
        InputError: There is no loss, N or D; the runs don't vary what a budget is divided into; or a limit needs a
            column that is not there.
    """
    training = training_of(runs)
    if not training.domains:
        raise InputError(
            "there is no column 'loss/<domain>'",
            where=runs.source,
            remedy="Add losses: the best division of a budget is that of the lowest loss",
        )
    if "params" not in training.features or "tokens" not in training.features:
        raise InputError(
            "the table has no N and D, between which a budget is divided",
            where=runs.source,
            remedy="Add the columns 'params' and 'tokens'",
        )
    if limits.unique_tokens is not None and "unique_tokens" not in training.features:
        raise InputError(
            "what repeated tokens are worth, no run tells",
            where=f"{runs.source}, unique_tokens",
            remedy="Add the column 'x/unique_tokens', and runs that repeat their data",
        )
    check_design(training, _domain(training.general_domains, via, runs.source), budgets)


def _domain(domains: tuple[str, ...], via: str | None, where: str) -> str:
    if not domains:
        raise InputError("these draws are of no loss", where=where, remedy="Fit a method with losses")
    if via is not None and via not in domains:
        raise InputError(f"there is no loss domain '{via}'", where=where, remedy=did_you_mean(via, domains))
    return via or domains[0]


def _of_draws(draws: Draws, limits: Limits, params_by: str, flops_by: str) -> LawRoad:
    """Draws as the law's road.

    Raises:
        InputError: They don't read N and D, or something is asked that only runs can tell.
    """
    if (params_by, flops_by) != (PARAMS, "table"):
        raise InputError(
            "draws count N and FLOPs as the runs did that they were fitted on",
            where="params_by, flops_by",
            remedy="Give the runs in place of draws",
        )
    _check_reads(draws, limits)
    return LawRoad(draws, None, None, None, float("nan"))


def _check_inputs(inputs: Collection[str], where: str) -> None:
    if not {"params", "tokens"} <= set(inputs):
        raise InputError(
            "this law does not read both N and D: any division of a budget is as good to it",
            where=where,
            remedy="Fit chinchilla+sigmoid, or another method in N and D",
        )


def _check_reads(draws: Draws, limits: Limits) -> None:
    reads = draws.model.inputs
    _check_inputs(reads, draws.ladder.source)
    if limits.unique_tokens is not None and "unique_tokens" not in reads:
        raise InputError(
            "the law that was fitted does not know what repeated tokens are worth",
            where="unique_tokens",
            remedy="Give runs that repeat their data, with the column 'x/unique_tokens'; or leave unique_tokens out",
        )
    design = draws.ladder.design
    if not design.ratio:
        raise InputError(
            f"all runs have {draws.ladder.ratio[1]:.3g} tokens per parameter: what another ratio would give, which a "
            "budget is divided by, they can't tell",
            where=draws.ladder.source,
            remedy="Train some runs on more, or fewer, tokens per parameter",
        )


def _fitted(runs: Runs, domain: str, key: Array, draws: int, method: AnyMethod | None, progress: Any) -> LawRoad:
    """The law's road: ours, or the method that was asked for."""
    if method is None:
        return law_road(runs, domain, key, draws, progress)
    inputs = check_method(method, runs)
    if inputs:  # a blend's are known when it is fitted
        _check_inputs(inputs, runs.source)
    fitted = fit(method, runs, key, draws=draws, progress=progress)
    _check_reads(fitted, Limits())
    return LawRoad(fitted, None, runs, None, float("nan"))


def _refuse_without(road: Road, draws: Draws, budgets: Sequence[float], domain: str) -> None:
    """Refuse a plan of which a budget has no optimum.

    Raises:
        FitError: Too many draws fall on to one end of what is searched.
    """
    for budget, there in zip(budgets, road.params(0.9), strict=True):
        if there is None:
            raise FitError(
                f"at {budget:.3g} FLOPs the loss has no lowest point over N in most draws",
                where=f"{draws.ladder.source}, loss '{domain}'",
                remedy="The runs don't tell how N and D trade off: add runs on both sides of the optimum",
            )


def _compared(
    runs: Runs, domain: str, budgets: list[float], key: Array, draws: int, level: float
) -> tuple[Convention, ...]:
    """The law's exponents by every way of counting; none if there is one way."""
    ways = choices(runs)
    if len(ways) < 2:
        return ()
    found = []
    span = budgets if len(budgets) > 1 else [budgets[0] * s for s in EXPONENTS_OVER] + budgets
    for params_by, flops_by in ways:
        failed = ""
        a = b = params = None
        try:
            own = law_road(converted(runs, params_by, flops_by), domain, key, draws)
            valley = valleys(own.draws, span, own.draws.model.domains.index(domain))
            road = Road.of("law", valley.log_params, valley.log_tokens, np.log(span), len(span), "")
            (a, b), params = road.exponents(level), road.params(level)[-1]
        except (InputError, FitError) as error:
            failed = str(error)
        found.append(Convention(params_by, flops_by, a, b, params, failed))
    return tuple(found)
