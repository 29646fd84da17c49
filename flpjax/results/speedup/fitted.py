"""Two tables' losses and scores, fitted: which runs take part, and the draws that factors are asked of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logit

from flpjax.fitting.comparison.average import Averaged, average
from flpjax.fitting.comparison.nested import Kind, Nested, Output, lanes_of, nested_laws
from flpjax.ladder.table import Floats, Runs
from flpjax.laws.compared import PARAMETER_INDEX, ComparedLosses, ComparedScores, ComparisonConstants, Size
from flpjax.results.prediction import Interval
from flpjax.results.speedup.compared import AlongCompute, Compared, ThroughLoss
from flpjax.results.speedup.result import HypothesisProbabilities
from flpjax.results.speedup.rows import Frame, Sizes, frame_of, pairs_of, sizes_of, slots_of

EDGE = 0.02  # of chance and of a perfect score: where the mean score lies is a start, and odds there know no bounds


class Tables(NamedTuple):
    """Finished runs of both recipes.

    Attributes:
        finals: One row a run.
        sizes: Their logarithms.
        frame: They are seen in.
    """

    finals: tuple[Runs, Runs]
    sizes: tuple[Sizes, Sizes]
    frame: Frame

    @classmethod
    def of(cls, first: Runs, second: Runs) -> Tables:
        """Of final checkpoints."""
        sizes = sizes_of(first), sizes_of(second)
        return cls((first, second), sizes, frame_of(sizes))

    @property
    def places(self) -> tuple[Size, Size]:
        """Where laws see the runs of each."""
        return self.frame.place(self.sizes[0]), self.frame.place(self.sizes[1])

    def losses(self, name: str) -> tuple[Floats, Floats]:
        """``(run,)`` of each."""
        return self.finals[0].loss_of(name), self.finals[1].loss_of(name)

    def scores(self, name: str) -> tuple[Floats, Floats]:
        """``(run,)`` of each."""
        return self.finals[0].score_of(name), self.finals[1].score_of(name)

    def errors(self, name: str) -> tuple[Floats, Floats]:
        """``(run,)`` standard errors of the scores of each, 0 where not known."""
        first, second = (np.nan_to_num(f.stderr[:, f.task_names.index(name)]) for f in self.finals)
        return first, second

    def chance(self, name: str) -> float:
        """Of a task."""
        return self.finals[0].tasks[self.finals[0].task_names.index(name)].chance

    def counted(self, measured: tuple[Floats, Floats]) -> tuple[tuple[int, int], int]:
        """How many runs of each recipe have a value, and how many pairs they make."""
        here = [np.isfinite(v) for v in measured]
        first, second = (Sizes(*(leaf[rows] for leaf in sizes)) for sizes, rows in zip(self.sizes, here, strict=True))
        return (len(first.flops), len(second.flops)), len(pairs_of((first, second)))


class Fitted(NamedTuple):
    """One loss or score."""

    compared: Compared
    evidence: HypothesisProbabilities
    khat: float


def fit_loss(tables: Tables, name: str, draws: int, level: float, rng: np.random.Generator) -> Fitted:
    """By a loss."""
    first, second = (np.log(v) for v in tables.losses(name))
    slots = slots_of(tables.sizes, tables.places, (first, second), (0.0 * first, 0.0 * second))
    middle = float(np.nanmean(np.concatenate([first, second])))
    output = Output("loss", slots, tables.frame.sizes, tables.frame.growth, 0.0, middle)
    found, laws = _averaged(output, draws, rng)
    along = AlongCompute(ComparedLosses(), found.params, _constants(output), tables.frame.log_flops)
    return Fitted(along, _hypothesis_probabilities(found, laws, output, level), found.khat)


def fit_score(tables: Tables, name: str, draws: int, level: float, rng: np.random.Generator) -> Fitted:
    """By a score against compute, in tables that have no loss in common."""
    values, chance = tables.scores(name), tables.chance(name)
    slots = slots_of(tables.sizes, tables.places, values, tables.errors(name))
    output = Output("score", slots, tables.frame.sizes, tables.frame.growth, chance, _odds(values, chance))
    found, laws = _averaged(output, draws, rng)
    along = AlongCompute(ComparedScores(), found.params, _constants(output), tables.frame.log_flops)
    return Fitted(along, _hypothesis_probabilities(found, laws, output, level), found.khat)


def fit_map(
    tables: Tables, name: str, via: str, loss: Fitted, draws: int, level: float, rng: np.random.Generator
) -> Fitted:
    """By a score through a loss that both tables have, fitted before."""
    losses, chance = tables.losses(via), tables.chance(name)
    first, second = (
        np.where(np.isfinite(loss), score, np.nan) for loss, score in zip(losses, tables.scores(name), strict=True)
    )
    middle = float(np.nanmean(np.concatenate(losses)))
    places = Size(middle - losses[0], 0.0 * losses[0]), Size(middle - losses[1], 0.0 * losses[1])
    slots = slots_of(tables.sizes, places, (first, second), tables.errors(name))
    output = Output("map", slots, False, 1.0, chance, _odds((first, second), chance))
    found, laws = _averaged(output, draws, rng)
    if not isinstance(loss.compared, AlongCompute):
        raise TypeError("a score goes through a loss")
    through = ThroughLoss(loss.compared, found.params, chance, middle)
    evidence = _hypothesis_probabilities(found, laws, output, level)
    return Fitted(through, evidence, max(found.khat, loss.khat))


def _averaged(output: Output, draws: int, rng: np.random.Generator) -> tuple[Averaged, list[Nested]]:
    nested = nested_laws(output.kind)
    laws = [law for law, _ in nested]
    law = ComparedLosses() if output.kind == "loss" else ComparedScores()
    return average(law, lanes_of(output, laws), np.array([prior for _, prior in nested]), draws, rng), laws


def _constants(output: Output) -> ComparisonConstants:
    return ComparisonConstants(np.float64(output.growth), np.float64(output.chance))


def _odds(values: tuple[Floats, Floats], chance: float) -> float:
    mean = float(np.nanmean(np.concatenate(values)))
    return float(logit(np.clip((mean - chance) / (1.0 - chance), EDGE, 1.0 - EDGE)))


READS: dict[Kind, str] = {"map": "loss", "loss": "C", "score": "C"}


def _hypothesis_probabilities(
    found: Averaged, laws: list[Nested], output: Output, level: float
) -> HypothesisProbabilities:
    each = list(zip(laws, found.probability, nested_laws(output.kind), strict=True))
    noise = np.exp(found.params[:, PARAMETER_INDEX["log_noise"]])
    paired = bool((output.slots.present.min(axis=1) > 0).any())
    pair_correlation = 1.0 / (1.0 + np.exp(-found.params[:, PARAMETER_INDEX["pair_correlation"]]))
    return HypothesisProbabilities(
        float(sum(p for law, p, _ in each if law.constant)),
        float(sum(p for law, p, _ in each if law.exponents)),
        float(sum(p for law, p, _ in each if law.asymptote)),
        float(sum(p for law, p, _ in each if law.heavy_tails)),
        float(sum(np.exp(prior) for law, _, (_, prior) in each if law.constant)),
        Interval.of(noise, level, 1.0) or Interval(0.0, 0.0, 0.0),
        Interval.of(pair_correlation, level, 1.0) if paired else None,
        "N, D" if output.sizes else READS[output.kind],
    )
