"""Hoffmann et al.'s approach 3: a law of N and D, fitted so that single runs don't decide, and resampled by run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.errors import InputError, count, some_of
from flpjax.fitting.bootstrap import CANDIDATES, RESAMPLE_SALT, bootstrap, resample_runs
from flpjax.fitting.draws import Draws
from flpjax.fitting.fit import fit
from flpjax.fitting.point import bind, point
from flpjax.fitting.predicted import predict
from flpjax.ladder.design import SAME, design_of
from flpjax.ladder.table import Runs
from flpjax.laws.repeated import repeats
from flpjax.methods.flp import FLP
from flpjax.methods.registry import REPEATED, Auto, method
from flpjax.numerics import generator

FIRST_CORNER = 1e-3
"""Of the Huber loss of the first fit, on log losses, as of Hoffmann et al. 2022: it finds the trend among outliers."""
CORNER = 1.345
"""Of the second, in s.d. of the residuals: 95 % as efficient as least squares if these are normal (Huber 1981)."""
OUTLYING = 6.0
"""S.d. beyond which a run is left out: a sound one is as far off in one of 5·10⁸ tables."""
TO_SD = 1.4826  # median absolute residual → s.d., if normal
NUMBERS = 5  # of the law
LEAST_SD = 1e-4  # of log losses: below it tables round
STEPS_OF_CORNER = 2.0  # per factor of 2: corners are rounded, so that like ladders share compiled programs

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LawApproach:
    """A law's draws, and what they were fitted to.

    Attributes:
        draws: One a resample.
        counts: ``(draw, run)`` how often each took each training run; None if that is not known.
        runs: The runs that were fitted.
        point: The fit to all runs as they are, one draw; None if there is none.
        sd: Of log losses about it, robust; NaN if there is none.
        outlying: Runs that were left out.
        refused: Why final values carry no law, where it was fitted to checkpoints along training.
        why: What it is, in one sentence.
        scores: Draws that scores are read off; None for the law's own.
    """

    draws: Draws
    counts: Floats | None
    runs: Runs | None
    point: Draws | None
    sd: float
    outlying: tuple[str, ...] = ()
    refused: InputError | None = None
    why: str = "a law of N and D fitted to all runs (approach 3)"
    scores: Draws | None = None


def law_approach(
    runs: Runs, domain: str, key: Array, draws: int, progress: Callable[[str], None] | None = None
) -> LawApproach:
    """Fit ``L(N, D) = E + A/N^α + B/D^β`` robustly, leave outlying runs out, and resample the others.

    Args:
        runs: The training runs.
        domain: The loss that is lowest at an optimum.
        key: JAX random key.
        draws: How many resamples.
        progress: Called with what is fitted.

    Raises:
        InputError: The runs can't carry a law in N and D.
    """
    check_design(runs, domain)
    if progress is not None:
        progress("the law, for outlying runs")
    first = law_of(runs, domain, FIRST_CORNER, scores=False)
    away, sd = _residuals(point(first, runs, key, strict=False), runs, domain)
    outlying = tuple(name for name, r in away.items() if abs(r) > OUTLYING * sd)
    kept = runs.without([_literal(name) for name in outlying]) if outlying else runs
    check_design(kept, domain)
    robust = law_of(runs, domain, _rounded(CORNER * sd))
    if progress is not None:
        progress("the law, resampled")
    fitted = bootstrap(robust, kept, key, draws=draws, strict=False)
    middle = point(robust, kept, key, strict=False)
    said: tuple[str, ...] = ()
    if outlying:
        said = (
            f"left out, more than {OUTLYING:g} s.d. ({sd:.2%}) off the law of the others: {some_of(outlying, 5)}; "
            "exclude them by name, or give a method, to decide yourself",
        )
    fitted = replace(fitted, warnings=(*fitted.warnings, *said))
    return LawApproach(fitted, _counts(robust, kept, key, draws), kept, middle, sd, outlying)


def few_runs_approach(runs: Runs, key: Array, draws: int, progress: Callable[[str], None] | None = None) -> LawApproach:
    """Of no more runs than Chinchilla's law has numbers: laws whose priors say what the runs leave open, averaged.

    Raises:
        InputError: The runs can't carry them.
    """
    fitted = fit(Auto(), runs, key, draws=draws, progress=progress)
    said = (
        f"{count(len(runs.names), 'run')} for {NUMBERS} numbers of Chinchilla's law: laws that priors hold, averaged "
        "(auto), stand in its place, and intervals are wide"
    )
    why = "laws of N and D with priors, averaged (auto; approach 3)"
    return LawApproach(replace(fitted, warnings=(*fitted.warnings, said)), None, runs, None, float("nan"), why=why)


def with_scores(
    by_law: LawApproach, runs: Runs, via: str | None, key: Array, progress: Callable[[str], None] | None = None
) -> LawApproach:
    """The same, its scores by ``auto``, as a forecast has them: maps with a discrepancy, averaged.

    A resampled sigmoid knows how runs scatter about it, not that it is wrong: far from the runs its intervals are too
    narrow.

    Args:
        by_law: The law's approach, without maps.
        runs: The training runs; what the law leaves out, this does.
        via: The loss that scores go through; None as ``auto`` has it.
        key: JAX random key.
        progress: Called with what is fitted.
    """
    kept = runs if by_law.runs is None else by_law.runs
    if not kept.tasks:
        return by_law
    scores = fit(Auto(via=via), kept, key, progress=progress)
    return replace(
        by_law, scores=scores, draws=replace(by_law.draws, warnings=(*by_law.draws.warnings, *scores.warnings))
    )


def final_count(runs: Runs, domain: str) -> int:
    """How many runs have a final loss."""
    return int(np.isfinite(runs.finals().loss_of(domain)).sum())


def law_of(runs: Runs, domain: str, corner: float, scores: bool = True) -> FLP:
    """Chinchilla's law, of runs that repeat their data with what repetition is worth, and each task's map.

    Args:
        runs: The training runs.
        domain: The loss that scores go through.
        corner: Of the Huber loss, of log losses.
        scores: Whether tasks have maps.
    """
    suffix = REPEATED if repeats(runs.features, runs.tokens) else ""
    chosen = method(f"chinchilla{suffix}+sigmoid", domain if runs.tasks else None)
    assert isinstance(chosen, FLP)
    return replace(chosen, huber=corner, scores=scores)


def check_design(runs: Runs, domain: str, budgets: Sequence[float] = ()) -> None:
    """Refuse runs from which no law can tell how a budget is best divided.

    Args:
        runs: The training runs.
        domain: The loss.
        budgets: What is asked.

    Raises:
        InputError: There is one run, they have one D/N, N or D, D follows from N, or they have one budget, and another
            is asked.
    """
    finals = runs.finals()
    finals = finals.rows(np.isfinite(finals.loss_of(domain)))
    where = f"{runs.source}, loss '{domain}'"
    if len(finals) < 2:
        raise InputError("there is one run only", where=where, remedy="Give runs that differ in N and in D")
    design = design_of(finals)
    log_n, log_d = np.log(finals.params), np.log(finals.tokens)
    ratio = float(np.exp(np.median(log_d - log_n)))
    for varies, what, remedy in (
        (
            design.ratio,
            f"all runs have {ratio:.3g} tokens per parameter: what another ratio would give, which a budget is divided "
            "by, they can't tell",
            "Train some runs on more, or fewer, tokens per parameter",
        ),
        (design.params, "all runs have one N: what another would give they can't tell", "Train a second size"),
        (design.tokens, "all runs have one D: what another would give they can't tell", "Train some longer"),
    ):
        if not varies:
            raise InputError(what, where=where, remedy=remedy)
    other = [c for c in budgets if abs(np.log(c) - np.log(finals.flops).mean()) > SAME]
    if design.one_budget and other:
        raise InputError(
            f"all runs cost {np.exp(np.log(finals.flops).mean()):.3g} FLOPs: how the best N grows with compute they "
            "can't tell",
            where=f"{where}, budget {other[0]:.3g}",
            remedy="Train runs of a second budget, or ask for this one",
        )
    slope, level = np.polyfit(log_n, log_d, 1)
    if not design.one_budget and len(finals) > 2 and np.ptp(log_d - slope * log_n - level) < SAME:
        raise InputError(
            f"every size has one D, which grows as N^{slope:.2g}: what another would give they can't tell",
            where=where,
            remedy="Train a size on more, or fewer, tokens, too",
        )


def _residuals(fitted: Draws, runs: Runs, domain: str) -> tuple[dict[str, float], float]:
    """Run → log loss less that of the law; and their robust s.d.

    A robust fit passes through about as many runs as it has parameters: as many of the residuals, the smallest, say
    nothing of the noise.
    """
    finals = runs.finals()
    finals = finals.rows(np.isfinite(finals.loss_of(domain)))
    known = predict(fitted.model, fitted.params, finals.law_inputs)
    expected = np.asarray(known.loss)[0, :, fitted.model.domains.index(domain)]
    residual = np.log(finals.loss_of(domain)) - np.log(expected)
    off = np.sort(np.abs(residual))[min(NUMBERS, len(residual) - 1) :]
    sd = max(TO_SD * float(np.median(off)), LEAST_SD)
    names = [finals.names[r] for r in finals.run]
    return dict(zip(names, map(float, residual), strict=True)), sd


def _rounded(corner: float) -> float:
    return float(2.0 ** (np.round(STEPS_OF_CORNER * np.log2(corner)) / STEPS_OF_CORNER))


def _literal(name: str) -> str:
    """A name as a pattern that matches it alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _counts(chosen: FLP, runs: Runs, key: Array, draws: int) -> Floats:
    """How often each draw of :func:`~flpjax.fitting.bootstrap.bootstrap` took each run: it draws the same numbers."""
    rng = generator(key, RESAMPLE_SALT)
    return resample_runs(bind(chosen, runs), rng, rng.uniform(size=CANDIDATES * draws), draws)[0]
