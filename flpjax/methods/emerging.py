"""Scores that start at chance and end at 1: a bend at both ends of a score that a formula lets run on."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from flpjax.ladder.compute import Compute
from flpjax.laws.law import POSITIVE, Parameter
from flpjax.methods.method import Model, Prediction, StageParams

WIDTH = "width"
WIDTH_PARAMETER = Parameter(POSITIVE, -4.0, 0.7, "width of the bend where a score leaves chance, fraction")
"""A point or two on most tasks: what a score needs to be told from chance on a thousand questions."""


def emerge(score: Array, chance: Array, width: Array) -> Array:
    """``chance + width·softplus((score − chance) / width)``, and the same bend at 1.

    Where the formula lies well above chance and below 1, it is left as it is. Below chance it says nothing but that the
    task has not emerged, which is what checkpoints at chance say: the place of the bend is inferred with the formula.

    Args:
        score: What a formula without bounds gives, any shape.
        chance: What random guessing scores.
        width: Of the bend, in units of the score.
    """
    risen = chance + width * jax.nn.softplus((score - chance) / width)
    return 1.0 - width * jax.nn.softplus((1.0 - risen) / width)


@dataclass(frozen=True)
class Emerging:
    """A model whose scores bend at chance and at 1; ``params["score"]`` has one more entry, ``width`` ``(task,)``.

    Attributes:
        model: The model that is bent.
        chance: ``(task,)``.
    """

    model: Model
    chance: tuple[float, ...]

    @property
    def domains(self) -> tuple[str, ...]:
        """``(domain,)`` the losses it predicts."""
        return self.model.domains

    @property
    def tasks(self) -> tuple[str, ...]:
        """``(task,)`` the scores it predicts."""
        return self.model.tasks

    @property
    def sources(self) -> tuple[str, ...]:
        """``(source,)`` the data sources whose mixture weights it reads."""
        return self.model.sources

    @property
    def singular(self) -> bool:
        """Whether a source without compute makes its predictions zero or infinite."""
        return self.model.singular

    @property
    def via(self) -> tuple[tuple[int, ...], ...]:
        """``(task,)`` the domains that each score is a function of."""
        return self.model.via

    def apply(self, params: StageParams, x: Compute) -> Prediction:
        """Losses and scores of one target."""
        plain = self.model.apply(params, x)
        return Prediction(plain.loss, self._bent(params, plain.score))

    def score_from_loss(self, params: StageParams, loss: Array) -> Array | None:
        """Scores ``(task,)`` at known losses ``(domain,)``; None for a model without losses."""
        plain = self.model.score_from_loss(params, loss)
        return None if plain is None else self._bent(params, plain)

    def _bent(self, params: StageParams, score: Array) -> Array:
        return emerge(score, jnp.array(self.chance, score.dtype), params["score"][WIDTH])
