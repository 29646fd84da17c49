"""Two recipes simulated from known laws: what one is worth of the other is known at every scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from flpjax import Runs
from flpjax.ladder.build import build_runs

LOSS, TASK, CHANCE = "c4", "quiz", 0.25
FACTORS = (0.7, 2.0)
NOISE = (0.002, 0.01)  # of the logarithm of losses
RUNS = (4, 8)
SCORE_NOISE = 0.01
RATIO = 20.0  # tokens per parameter of ladders that have one
CENTRE = 44.0  # log FLOPs, 1.3e19
ALIKE = 0.5  # share of the noise that runs of a pair have in common
TAILS = 3.0  # degrees of freedom of heavy-tailed noise
CONSTANTS = ((1.4, 2.0), (0.4, 1.0), (0.4, 1.0), (0.28, 0.4), (0.28, 0.4))  # E, A, B at the centre, alpha, beta
REACH = 6.9  # a thousandfold


@dataclass(frozen=True)
class Design:
    """How pairs of recipes are simulated.

    Attributes:
        about: In words.
        grid: Whether runs vary N at each of a few budgets: laws of N and D.
        paired: Whether both recipes have the same N and D, with noise in common.
        shift: By how many e-folds of compute the second lies above the first.
        own: S.d. of the log ratio of exponents.
        heavy: Whether noise is Student's t.
        runs: The fewest and the most of each recipe.
        scores: Whether what counts is the factor by a score.
    """

    about: str
    grid: bool = False
    paired: bool = False
    shift: float = 0.0
    own: float = 0.0
    heavy: bool = False
    runs: tuple[int, int] = RUNS
    scores: bool = False


DESIGNS = {
    "ladders": Design("4 to 8 runs each, anywhere between 8e17 and 3e20 FLOPs"),
    "pairs": Design("the same 4 to 8 sizes, half of the noise in common", paired=True),
    "apart": Design("the second's runs lie 2 e-folds of compute above the first's", shift=2.0),
    "isoFLOP": Design("2 or 3 models at each of 2 or 3 budgets: laws of N and D", grid=True),
    "exponents": Design("exponents of their own, 10 % apart", own=0.1),
    "heavy tails": Design("noise with heavy tails", heavy=True),
    "scores": Design("by a score, through the loss", scores=True),
    "three runs": Design("3 runs each", runs=(3, 3)),
}


class Truth(NamedTuple):
    """``L = E + A·e^{−α·(n − n₀)} + B·e^{−β·(d − d₀)}`` of the first; the second has its N and D multiplied."""

    irreducible: float
    size: float
    data: float
    alpha: float
    beta: float
    log_factor: float  # at the centre
    faster: float  # log ratio of exponents

    def loss(self, second: bool, log_params: np.ndarray, log_tokens: np.ndarray) -> np.ndarray:
        """Of either recipe."""
        middle = 0.5 * (CENTRE - np.log(6.0 * RATIO))
        n, d = log_params - middle, log_tokens - middle - np.log(RATIO)
        alpha, beta = self.alpha, self.beta
        size, data = self.size, self.data
        if second:
            size, data = size * np.exp(-alpha * self.log_factor / 2), data * np.exp(-beta * self.log_factor / 2)
            alpha, beta = alpha * np.exp(self.faster), beta * np.exp(self.faster)
        return np.asarray(self.irreducible + size * np.exp(-alpha * n) + data * np.exp(-beta * d))

    def factor(self, flops: float, slope: float, anchor: tuple[float, float, float]) -> float:
        """At the second's compute, along ``log N = n + slope·(log C − c)``; ``anchor`` is c, n, d."""

        def along(second: bool, log_flops: float) -> float:
            more = log_flops - anchor[0]
            at = np.array([anchor[1] + slope * more]), np.array([anchor[2] + (1.0 - slope) * more])
            return float(self.loss(second, *at)[0])

        done, log_flops = along(True, float(np.log(flops))), float(np.log(flops))
        return float(np.exp(brentq(lambda more: along(False, log_flops + more) - done, -REACH, REACH)))


def simulate(design: Design, seed: int) -> tuple[Runs, Runs, Truth]:
    """Two tables and what they are of."""
    rng = np.random.default_rng(seed)
    irreducible, size, data, alpha, beta = (float(rng.uniform(*ends)) for ends in CONSTANTS)
    log_factor, faster = float(rng.uniform(*np.log(FACTORS))), float(design.own * rng.standard_normal())
    truth = Truth(irreducible, size, data, alpha, beta, log_factor, faster)
    noise = float(np.exp(rng.uniform(*np.log(NOISE))))
    counts = rng.integers(design.runs[0], design.runs[1] + 1, 2)
    sizes = [_sizes(design, int(count), shift, rng) for count, shift in zip(counts, (0.0, design.shift), strict=True)]
    if design.paired:
        sizes[1] = sizes[0]
    errors = [_standard(design, len(log_n), rng) for log_n, _ in sizes]
    if design.paired:
        errors[1] = np.sqrt(ALIKE) * errors[0] + np.sqrt(1.0 - ALIKE) * errors[1]
    first, second = (
        _table(name, truth.loss(is_second, *size) * np.exp(noise * error), size, design.scores, rng)
        for name, is_second, size, error in zip("AB", (False, True), sizes, errors, strict=True)
    )
    return first, second, truth


def _standard(design: Design, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_t(TAILS, count) if design.heavy else rng.standard_normal(count)


def _sizes(design: Design, count: int, shift: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Log N and log D of the runs of one recipe."""
    if design.grid:
        budgets, each = (2, int(np.clip(count // 2, 2, 3))) if count < 6 else (3, 2)
        log_flops = np.repeat(np.linspace(41.5, 46.0, budgets) + rng.uniform(-0.3, 0.3), each)
        ratio = np.tile(np.linspace(np.log(8.0), np.log(60.0), each), budgets) + rng.uniform(-0.2, 0.2)
    else:
        log_flops = shift + np.sort(rng.uniform(41.2, 47.2, count))
        ratio = np.full(count, np.log(RATIO))
    log_n = 0.5 * (log_flops - np.log(6.0) - ratio)
    return log_n, log_n + ratio


def _table(
    name: str, loss: np.ndarray, size: tuple[np.ndarray, np.ndarray], scores: bool, rng: np.random.Generator
) -> Runs:
    columns = {
        "run": np.array([f"{name}{i}" for i in range(len(loss))], object),
        "params": np.exp(size[0]),
        "tokens": np.exp(size[1]),
        f"loss/{LOSS}": loss,
    }
    if scores:
        score = CHANCE + (0.95 - CHANCE) / (1.0 + np.exp(3.0 * (loss - 2.7)))
        columns[f"score/{TASK}"] = np.clip(score + SCORE_NOISE * rng.standard_normal(len(loss)), 0.01, 0.99)
    return build_runs(columns, source=name)
