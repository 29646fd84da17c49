"""The published method of a ladder, where there is one: peers of this benchmark, fitted with scipy or as published."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jax import Array
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import logsumexp

from benchmarks.chinchilla import HUBER
from benchmarks.gadre import ALSO_SCORE, DOMAIN, LOSS_RUNS, TASK
from flpjax import FLP, Chinchilla, Draws, Exponential, Runs, point
from flpjax.methods.registry import ALL_EMERGED

Floats = NDArray[np.float64]
STARTS = [(a, a + 1.0, e, s, s) for a, s in ((3.0, 0.2), (6.0, 0.35), (10.0, 0.6)) for e in (-1.0, 0.0, 0.6)]
SCALES = (1.0, 1.0, 0.1, 0.05, 0.05)
NEVER = 2000  # steps that no start needs
PASSES = "unique_tokens"


class Points(NamedTuple):
    """Natural logarithms of parameters, tokens and loss, each ``(run,)``; loss NaN of those that are asked for."""

    params: Floats
    tokens: Floats
    loss: Floats
    unique: Floats  # tokens that differ

    @classmethod
    def of(cls, runs: Runs) -> Points:
        """Of runs with one loss."""
        finals = runs.finals() if len(runs.names) < len(runs) else runs
        unique = finals.features.get(PASSES, finals.tokens)
        return cls(*(np.log(v) for v in (finals.params, finals.tokens, finals.loss[:, 0], unique)))


def chinchilla(known: Points, asked: Points) -> Floats:
    """Log losses of ``E + A/N^α + B/D^β``, a Huber loss of the logarithms with its corner at 10⁻³ (Hoffmann et al.)."""
    vector = chinchilla_fit(known)[0]
    return np.asarray(logsumexp(_terms(vector, asked), axis=0))


def chinchilla_fit(known: Points) -> tuple[Floats, float]:
    """``log A, log B, log E, α, β`` at the lowest objective from all starts, and that objective, a sum over points."""
    fits = [
        least_squares(_off, start, _slopes, loss="huber", f_scale=HUBER, x_scale=SCALES, args=(known,), max_nfev=NEVER)
        for start in STARTS
    ]
    best = min(fits, key=lambda fit: fit.cost)
    return best.x, float(best.cost)


def _terms(vector: Floats, at: Points) -> Floats:
    a, b, e, alpha, beta = vector
    return np.stack([a - alpha * at.params, b - beta * at.tokens, np.full(len(at.params), e)])


def _off(vector: Floats, known: Points) -> Floats:
    return np.asarray(logsumexp(_terms(vector, known), axis=0) - known.loss)


def _slopes(vector: Floats, known: Points) -> Floats:
    each = _terms(vector, known)
    share = np.exp(each - logsumexp(each, axis=0))
    return np.stack([*share, -share[0] * known.params, -share[1] * known.tokens], axis=1)


def farseer(known: Points, asked: Points) -> Floats:
    """Log losses of ``E(N) + A(N)·D^{−B(N)}``, the three exponentials of a power of N (Li et al. 2025, 2506.10972).

    Written as a Box–Cox power of log N about its mean, and D about its own, so that the nine constants are identified.
    """
    centre, middle = known.params.mean(), known.tokens.mean()

    def curved(c: Floats, n: Floats) -> Floats:
        return c[0] + c[1] * (np.expm1(c[2] * n) / c[2] if abs(c[2]) > 1e-6 else n)

    def law(vector: Floats, at: Points) -> Floats:
        n, d = at.params - centre, at.tokens - middle
        floor, scale, rate = (curved(vector[i : i + 3], n) for i in (0, 3, 6))
        return np.asarray(np.logaddexp(floor, scale - np.exp(np.clip(rate, -20.0, 3.0)) * d))

    low, span = known.loss.min(), np.log(np.ptp(np.exp(known.loss)))
    starts = [
        np.array([low - 0.2, slope, bend, span - 1.0, slope, bend, rate, 0.05, bend])
        for slope in (-0.05, -0.2)
        for bend in (-0.1, 0.1)
        for rate in (-1.0, -0.5)
    ]
    fits = [
        least_squares(lambda v: law(v, known) - known.loss, start, loss="soft_l1", f_scale=HUBER, x_scale=0.1)
        for start in starts
    ]
    return law(min(fits, key=lambda fit: fit.cost).x, asked)


def repeated(known: Points, asked: Points) -> Floats:
    """Log losses of the data-constrained law of Muennighoff et al. 2023, eq. 5–6, all seven constants fitted.

    Repeated tokens and parameters beyond what the unique tokens call for are worth less and less, with R* for each.
    """

    def worth(unique: Floats, all_of: Floats, half: float) -> Floats:
        again = np.maximum(np.exp(all_of - unique) - 1.0, 0.0)
        return np.asarray(unique + np.log1p(half * -np.expm1(-again / half)))

    def law(vector: Floats, at: Points) -> Floats:
        a, b, e, alpha, beta, data, size = vector
        data, size = np.exp([data, size])
        called_for = (np.log(alpha / beta) + a - b + beta * at.unique) / alpha  # N that is best with these tokens
        most = np.minimum(called_for, at.params)
        n, d = worth(most, at.params, float(size)), worth(at.unique, at.tokens, float(data))
        return np.asarray(logsumexp([a - alpha * n, b - beta * d, np.full(len(n), e)], axis=0))

    published = np.array([np.log(521.0), np.log(1488.0), np.log(1.87), 0.353, 0.353, np.log(15.4), np.log(5.3)])
    fit = least_squares(
        lambda v: law(v, known) - known.loss,
        published,
        loss="huber",
        f_scale=HUBER,
        bounds=([0, 0, -2, 0.05, 0.05, -3, -3], [30, 30, 2, 1.5, 1.5, 8, 8]),
        x_scale=0.1,
    )
    return law(fit.x, asked)


def gadre(training: Runs, key: Array) -> Draws | None:
    """The recipe of Gadre et al. 2024 on the runs that it names; None where one of them is not seen."""
    prefix = training.names[0].partition("-")[0]
    both = [f"{prefix}-{run}" for run in LOSS_RUNS]
    if not {*both, f"{prefix}-{ALSO_SCORE}"} <= set(training.names):
        return None
    runs = training.only([*both, f"{prefix}-{ALSO_SCORE}"])
    domain, task = runs.domains.index(DOMAIN), runs.task_names.index(TASK)
    runs = replace(runs, domains=(DOMAIN,), loss=runs.loss[:, [domain]], tasks=(runs.tasks[task],))
    runs = replace(runs, score=runs.score[:, [task]], stderr=runs.stderr[:, [task]])
    runs = replace(runs, final=np.array([runs.names[run] in both for run in runs.run]))
    law = FLP(Chinchilla(tied=True), Exponential(), via=DOMAIN, selection=ALL_EMERGED, space="linear")
    return point(law, runs, key)
