"""The joint laws that are averaged: from one factor at every scale to exponents and asymptotes of each recipe's own."""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import numpy as np

from flpjax.fitting.averaging.hyperpriors import OF
from flpjax.fitting.comparison.density import Lane, Slot
from flpjax.ladder.table import Floats
from flpjax.laws.compared import PARAMETER_INDEX, PARAMETERS, ComparisonConstants
from flpjax.laws.law import Space

Kind = Literal["loss", "score", "map"]

COMMON: dict[Kind, float] = {"loss": 1 / 8, "score": 1 / 8, "map": 1 / 2}
"""Probability of one factor at all scales, or one map for both recipes, before anything is measured; the other laws
share the rest alike. Of factors by Laplace's rule of succession: of the six pairs of public corpora that
`python -m benchmarks.plan --only speedup` compares, none has one factor by the loss, all its runs taken. Of maps
nothing is known."""
HEAVY = 0.2  # probability that noise is heavy-tailed: a run that went wrong in silence is no rarity, nor the rule
FACTOR = 1.0  # s.d. of the log factor: 90 % from a fifth to five, the progress of 19 months (Ho et al. 2024)
EXPONENTS = 0.15  # s.d. of the log ratio of exponents: published ones of those corpora differ by .05 to .12
ASYMPTOTE = 0.3  # s.d. of a difference in the logit of the irreducible share: at a loss of 3 theirs is .14 to .45
NOISE_SPREAD = 0.7
"""S.d. of the log noise of losses about its learned median, .45 %: 90 % from .14 to 1.4 %. What was learned of ladders
is wider, 1.18, but reruns alone differ by .2 % (Bhagia et al. 2024, table 2), and three runs that a law happens to pass
through must not be taken for runs without noise."""
ALIKE = (1.0, 2.0)  # logit of the share of a pair's noise that is common: 90 % between 9 % and 99 %
SHIFT = 0.1  # s.d. in nats of what a recipe's loss is worth more in scores: a tenth of what a ladder's losses span
DECAY = {("loss", False): (-2.0, 0.7), ("loss", True): (-1.1, 0.5), ("map", False): (0.7, 0.7)} | {
    ("score", sizes): (-1.2, 0.8) for sizes in (False, True)
}
"""Kind, and whether laws read N and D → log of the decay per e-fold: of losses as `power-e` and `chinchilla` have it,
of log odds of a score per e-fold of C, from .1 to .8, and per nat of loss, from .7 to 6."""
ALL = 40.0  # logit of 1, to machine precision


class Nested(NamedTuple):
    """What the second recipe has of its own, the factor aside."""

    exponents: bool
    asymptote: bool
    heavy_tails: bool

    @property
    def constant(self) -> bool:
        """Whether the factor is the same at every scale."""
        return not (self.exponents or self.asymptote)


class Output(NamedTuple):
    """One loss or score of both recipes.

    Attributes:
        kind: ``"loss"`` or ``"score"`` against compute, or a ``"map"`` from minus the loss, about its mean, to a score.
        slots: Runs of both recipes.
        sizes: Whether the slots' sizes are logarithms of N and D, or of C alone.
        growth: Of log N per e-fold of C, where factors are compared; 1 for C alone.
        chance: Score of guessing.
        level: Where the first parameter is expected: mean log loss, or logit of the mean score above chance.
    """

    kind: Kind
    slots: Slot
    sizes: bool
    growth: float
    chance: float
    level: float


def nested_laws(kind: Kind) -> list[tuple[Nested, float]]:
    """The laws, with the logarithm of each one's probability.

    Scores have no asymptote of each recipe's own: a ladder hardly sees its tasks' tops. Of maps, what is each recipe's
    own is how much a nat of loss is worth, and where.
    """
    own = {
        "loss": [(False, False), (True, False), (False, True), (True, True)],
        "score": [(False, False), (True, False)],
        "map": [(False, False), (False, True), (True, True)],
    }[kind]
    found = []
    for heavy_tails in (False, True):
        for exponents, asymptote in own:
            law = Nested(exponents, asymptote, heavy_tails)
            share = COMMON[kind] if law.constant else (1.0 - COMMON[kind]) / (len(own) - 1)
            found.append((law, float(np.log(share * (HEAVY if heavy_tails else 1.0 - HEAVY)))))
    return found


def lanes_of(output: Output, laws: list[Nested]) -> Lane:
    """One output under each law, leaves ``(lane, …)``."""
    paired = bool((output.slots.present.min(axis=1) > 0).any())
    lanes: Lane = jax.tree.map(lambda *leaves: np.stack(leaves), *(_lane(output, law, paired) for law in laws))
    return lanes


def _lane(output: Output, law: Nested, paired: bool) -> Lane:
    loss, sizes = output.kind == "loss", output.sizes
    space: Space = "log" if loss else "linear"
    median, spread = OF[space].noise_prior
    spread = min(spread, NOISE_SPREAD) if loss else spread
    prior: dict[str, tuple[float, float]] = {
        "level": (output.level, 0.5 if loss else 1.5),
        "share": (0.0, 1.0) if loss else (-3.0, 1.0),
        "decay": DECAY[output.kind, sizes],
        # A law in C alone is one of size, which is C.
        "size_share": ((0.0, 1.0) if sizes else (ALL, 0.0)) if loss else (0.0, 0.3 * sizes),
        "data_decay": (DECAY["loss", True][0], DECAY["loss", True][1] * (loss and sizes)),
        "log_factor": (0.0, SHIFT * law.asymptote if output.kind == "map" else FACTOR),
        "exponents": (0.0, EXPONENTS * law.exponents),
        "asymptote": (0.0, ASYMPTOTE * (law.asymptote and loss)),
        "balance": (0.0, ASYMPTOTE * (law.exponents and sizes and loss)),
        "log_noise": (float(np.log(median)), spread),
        "pair_correlation": (ALIKE[0], ALIKE[1] * paired),
    }
    loc, scale = np.zeros(len(PARAMETERS)), np.zeros(len(PARAMETERS))
    for name, (at, by) in prior.items():
        loc[PARAMETER_INDEX[name]], scale[PARAMETER_INDEX[name]] = at, by
    constants = ComparisonConstants(np.float64(output.growth), np.float64(output.chance))
    return Lane(output.slots, constants, loc, scale, np.float64(law.heavy_tails))


def law_probabilities(laws: list[Nested], probability: Floats) -> dict[str, float]:
    """Posterior probabilities of what distinguishes the joint laws, from the posterior probability of each law."""
    each = list(zip(laws, probability, strict=True))
    return {
        "constant": float(sum(p for law, p in each if law.constant)),
        "own_exponents": float(sum(p for law, p in each if law.exponents)),
        "own_asymptote": float(sum(p for law, p in each if law.asymptote)),
        "heavy_tails": float(sum(p for law, p in each if law.heavy_tails)),
    }
