"""Runs or draws in, the compute-optimal allocation of budgets out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from jax import Array

from flpjax.errors import FitError, InputError
from flpjax.fitting.draws import Draws, check_draw_count
from flpjax.fitting.fit import AnyMethod, fit
from flpjax.fitting.fit import check_carried as check_method
from flpjax.fitting.point import training_of
from flpjax.ladder.audit.units import wrong_units
from flpjax.ladder.table import Runs
from flpjax.numerics import require_x64
from flpjax.readers.read import Table, read_runs
from flpjax.results.allocation.allocation import Allocation
from flpjax.results.allocation.approach import Approach
from flpjax.results.allocation.approaches import Approaches, approaches_of
from flpjax.results.allocation.asked import (
    Budget,
    approach_of_draws,
    check_budgets,
    check_carried,
    check_inputs,
    check_reads,
    loss_domain,
)
from flpjax.results.allocation.by_envelope import law_of_checkpoints
from flpjax.results.allocation.conventions import PARAMS, Convention, choices, converted, with_both_sizes, words_of
from flpjax.results.allocation.described import described
from flpjax.results.allocation.jointly import best_mixtures
from flpjax.results.allocation.law_approach import (
    NUMBERS,
    LawApproach,
    few_runs_approach,
    final_count,
    law_approach,
    with_scores,
)
from flpjax.results.allocation.limits import Limits
from flpjax.results.allocation.sweep import is_sweep, sweep_envelope
from flpjax.results.allocation.valley import Others, valleys
from flpjax.results.constraints import Constraints
from flpjax.results.prediction import check_level
from flpjax.results.target import mixture_of

DRAWS = 400
EXPONENTS_OVER = (0.1, 10.0)
"""Times a lone budget: what exponents are read off over. A straight line's are the same whatever the span."""


def plan(
    source: Table | Draws,
    budget: Budget,
    key: Array,
    *,
    method: AnyMethod | None = None,
    via: str | None = None,
    draws: int = DRAWS,
    level: float = 0.9,
    inference_tokens: float = 0.0,
    most_params: float | None = None,
    unique_tokens: float | None = None,
    features: Mapping[str, float] | None = None,
    mix: Mapping[str, float] | Literal["free"] | None = None,
    constraints: Constraints | None = None,
    params_by: str = PARAMS,
    flops_by: str = "table",
    compare: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Allocation:
    """The N and D that a training budget is best divided into, with intervals, by all approaches that the runs allow.

    Of runs: a law of N and D (Hoffmann et al.'s approach 3), resampled by run; where runs of equal cost differ in N,
    parabolas through them (approach 2), as they are and with what a parabola does to the law's own lopsided valley
    taken off; where there are training curves, their lower envelope (approach 1), which answers alone where runs end at
    one D/N; and the blend of law and corrected parabolas by their precision, which is the headline. Of draws: theirs
    alone.

    Args:
        source: A ladder, of which held-out runs are not used; or draws of a model that reads N and D.
        budget: Training FLOPs, one or several, counted as the ladder counts them.
        key: JAX random key of the resamples.
        method: What to fit in place of a robust Chinchilla law; as :func:`flpjax.method` gives it.
        via: The loss that is lowest at an optimum; None for the first that is no task's own.
        draws: Resamples.
        level: Probability of the intervals.
        inference_tokens: Tokens that the model will process over its life, which the budget pays for, too.
        most_params: N at most.
        unique_tokens: Different tokens there are; the runs must tell what repetition is worth (``x/unique_tokens``).
        features: Other features that the law reads, by name.
        mix: Source → weight of the mixture, for methods that know mixtures; ``"free"`` chooses that which is best with
            its N and D; None takes the mean of the ladder's.
        constraints: What a free mixture keeps to; None for weights within the ranges that were tried.
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
    note: tuple[str, ...] = ()
    if isinstance(source, Draws):
        by_law = approach_of_draws(source, limits, params_by, flops_by)
        domain = loss_domain(source.model.domains, via, source.ladder.source)
        training = runs = None
    else:
        source = read_runs(source)
        check_draw_count(draws, 2, "a plan", why=", or plan from draws of a point fit")
        refused = check_carried(source, budgets, via, limits, bool(method or features or mix))
        training, note = with_both_sizes(training_of(source))
        note = (*(f"{fault.what}. {fault.remedy}" for fault in wrong_units(training)), *note)
        domain = loss_domain(training.general_domains, via, source.source)
        if is_sweep(training, domain):
            swept = sweep_envelope(training, domain)
            training, note = swept.runs, (*note, swept.words)
        runs = converted(training, params_by, flops_by)
        by_law = _fitted(runs, domain, via, key, draws, method, refused, progress)
    if progress is not None:
        progress("searching valleys")
    others = _others(by_law.draws, domain, budgets, limits, features, mix, constraints, key)
    found = approaches_of(by_law, runs, domain, budgets, limits, others, key)
    found = found._replace(notes=(*note, *found.notes))
    _refuse_without(found, by_law.draws, budgets, domain, note)
    compared: tuple[Convention, ...] = ()
    if training is not None and compare and method is None and by_law.refused is None:
        compared = _compared(training, domain, budgets, key, draws, level)
    return described(found, by_law, domain, budgets, limits, level, others, words_of(params_by, flops_by), compared)


def _others(
    draws: Draws,
    domain: str,
    budgets: Sequence[float],
    limits: Limits,
    features: Mapping[str, float] | None,
    mix: Mapping[str, float] | Literal["free"] | None,
    constraints: Constraints | None,
    key: Array,
) -> Others:
    """What else the model is told of; with a free mixture, that which is best at each budget.

    Raises:
        InputError: There are constraints and no free mixture, or the mixture can't be.
    """
    features = dict(features or {})
    if mix == "free":
        place = draws.model.domains.index(domain)
        return Others(
            features, best_mixtures(draws, budgets, place, limits, constraints or Constraints(), features, key)
        )
    if constraints is not None:
        raise InputError("constraints have no free mixture to bind", where="constraints", remedy='Say mix="free"')
    if mix is None:
        return Others(features)
    if isinstance(mix, str):
        raise InputError(f"mix is '{mix}'", where="mix", remedy="Give weights by source, or 'free'")
    mixture_of(mix, draws.ladder.sources, "mix")
    if not draws.model.sources:
        raise InputError(
            "the method that was fitted does not know data sources",
            where=draws.ladder.source,
            remedy="Fit a method with mixtures, such as 'mix-chinchilla+domain-sigmoid'; or leave mix out",
        )
    return Others(features, (mix,) * len(budgets))


def _fitted(
    runs: Runs,
    domain: str,
    via: str | None,
    key: Array,
    draws: int,
    method: AnyMethod | None,
    refused: InputError | None,
    progress: Callable[[str], None] | None,
) -> LawApproach:
    """The law's approach: ours, or the method that was asked for; of checkpoints where final values carry none."""
    if refused is not None:
        fitted = law_of_checkpoints(runs, domain, key, draws)
        return LawApproach(fitted, None, None, None, float("nan"), refused=refused)
    if method is None:
        if final_count(runs, domain) <= NUMBERS:
            return few_runs_approach(runs, key, draws, progress)
        return with_scores(law_approach(runs, domain, key, draws, progress), runs, via, key, progress)
    inputs = check_method(method, runs)
    if inputs:  # a blend's are known when it is fitted
        check_inputs(inputs, runs.source)
    fitted = fit(method, runs, key, draws=draws, progress=progress)
    check_reads(fitted, Limits())
    return LawApproach(fitted, None, runs, None, float("nan"))


def _refuse_without(
    found: Approaches, draws: Draws, budgets: Sequence[float], domain: str, note: Sequence[str]
) -> None:
    """Refuse a plan of which a budget has no optimum; a unit that can't be is the likeliest reason.

    Raises:
        FitError: Too many draws fall on to one end of what is searched.
    """
    without = 1.0 - np.isfinite(found.headline.log_params).mean(axis=0)
    unsaid = 1.0 - np.isfinite(found.valleys.loss).mean(axis=0)  # by the law that says what losses are
    each = zip(budgets, found.headline.params(0.9), np.maximum(without, unsaid), unsaid == 1.0, strict=True)
    for budget, there, share, nowhere in each:
        if there is None or nowhere:
            raise FitError(
                f"at {budget:.3g} FLOPs the loss has no lowest point over N in {share:.0%} of the draws",
                where=f"{draws.ladder.source}, loss '{domain}'",
                remedy=". ".join(
                    (*note, "The runs don't tell how N and D trade off: add runs on both sides of the optimum")
                ),
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
            by_law = law_approach(converted(runs, params_by, flops_by), domain, key, draws)
            valley = valleys(by_law.draws, span, by_law.draws.model.domains.index(domain))
            approach = Approach.of("law", valley.log_params, valley.log_tokens, np.log(span), len(span), "")
            (a, b), params = approach.exponents(level), approach.params(level)[-1]
        except (InputError, FitError) as error:
            failed = str(error)
        found.append(Convention(params_by, flops_by, a, b, params, failed))
    return tuple(found)
