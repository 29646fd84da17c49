"""The speed-up of one recipe over another: B's effective compute relative to A's, by losses and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jax import Array

from flpjax.errors import InputError, shown
from flpjax.fitting.draws import check_draw_count
from flpjax.numerics import generator
from flpjax.readers.read import Table, read_runs
from flpjax.results.prediction import check_level
from flpjax.results.speedup.answers import Question
from flpjax.results.speedup.asked import check_values, outputs_of
from flpjax.results.speedup.checks import finished, refuse_other_compute, refuse_other_units
from flpjax.results.speedup.fitted import Fitted, Tables, fit_loss, fit_map, fit_score
from flpjax.results.speedup.result import OutputSpeedup, Speedup
from flpjax.results.speedup.words import warnings_of

DRAWS = 2000


def speedup(
    a: Table,
    b: Table,
    key: Array,
    *,
    names: tuple[str, str] | None = None,
    domains: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    flops: Sequence[float] = (),
    values: Mapping[str, float] | None = None,
    draws: int = DRAWS,
    level: float = 0.9,
    progress: Callable[[str], object] | None = None,
) -> Speedup:
    """What B is worth: the factor by which A's compute would have to be multiplied to do the same.

    Finished runs of both are fitted at once, by laws that share more or less (one factor at every scale; exponents,
    an irreducible loss of each recipe's own), which are averaged by their evidence. Where runs vary the tokens per
    parameter, recipes are compared at the same N and D, along the path through all runs.

    Args:
        a: Runs of one recipe.
        b: Runs of the other.
        key: JAX random key.
        names: Of both; those of their tables, if left out.
        domains: Losses to compare by, the main one first; the first few that both have, if left out.
        tasks: Scores to compare by, which go through the main loss, if both have one.
        flops: Computes of B at which the factor is asked, too.
        values: Loss or score → the value at which it is asked; scores are fractions.
        draws: How many draws.
        level: Probability of the intervals.
        progress: Called with the name of each loss and score before it is fitted.

    Raises:
        InputError: The tables have no loss and no task in common, too few finished runs, several mixtures, or units
            that differ; or something that was asked for is not there.
        PrecisionError: JAX is in 32 bits.
    """
    a = read_runs(a)
    b = read_runs(b)
    check_level(level)
    check_draw_count(draws, 1, "a speed-up")
    called = names or _distinct(a.source, b.source)
    if len(called) != 2:
        raise InputError(f"{shown(called)} are no two names", where="names", remedy="Give one of each recipe")
    where = f"{called[0]} and {called[1]}"
    finals = finished(a, called[0]), finished(b, called[1])
    asked = dict(values or {})
    losses, scores, left = outputs_of(finals, domains, tasks, asked, where)
    refuse_other_units(losses, *finals, called)
    warnings = refuse_other_compute(*finals, called)
    check_values(asked, losses, scores, flops)
    if left:
        warnings.append(left)
    tables, rng = Tables.of(*finals), generator(key)
    ask = Question(tables, tuple(float(v) for v in flops), asked, level)
    found: list[OutputSpeedup] = []
    khats: list[float] = []
    main: Fitted | None = None
    for name in losses:
        (progress or str)(name)
        fitted = fit_loss(tables, name, draws, level, rng)
        main = main or fitted
        found.append(ask.answer(name, "loss", None, fitted, tables.losses(name)))
        khats.append(fitted.khat)
    for name in scores:
        (progress or str)(name)
        via = losses[0] if losses else None
        if via is not None and main is not None:
            fitted = fit_map(tables, name, via, main, draws, level, rng)
        else:
            fitted = fit_score(tables, name, draws, level, rng)
        found.append(ask.answer(name, "score", via, fitted, tables.scores(name)))
        khats.append(fitted.khat)
    warnings += warnings_of(found, tables, called, khats)
    return Speedup(called, tuple(found), level, draws, tuple(warnings))


def _distinct(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first != second else (f"{first} (A)", f"{second} (B)")
