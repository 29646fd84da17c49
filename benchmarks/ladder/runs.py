"""Which models a size trains: a run each, side by side on the model axis of one program."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from benchmarks.ladder.config import Experiment, Size


@dataclass(frozen=True)
class Run:
    """One model to train.

    Attributes:
        size: Its shape.
        code: Share of code in its training text; the rest is general.
        seed: Of its first weights and of the order of its text.
        purpose: What it is for, where that is not the grid of mixtures.
        haste: What the learning rate of the rule is multiplied by.
    """

    size: Size
    code: float
    seed: int = 0
    purpose: str = ""
    haste: float = 1.0

    @property
    def name(self) -> str:
        """``4.8M-code0.3``, and what tells it from its likes."""
        seed = f"-seed{self.seed}" if self.seed and not self.purpose else ""
        haste = f"-rate{self.haste:g}" if self.haste != 1.0 else ""
        return f"{self.size.name}-code{self.code:g}{seed}{haste}" + (f"-for-{self.purpose}" if self.purpose else "")

    def key(self) -> jax.Array:
        """The run's random key, its own for every seed and share."""
        return jax.random.fold_in(jax.random.key(self.seed), round(1e4 * self.code))


def runs_of(experiment: Experiment, size: Size) -> tuple[Run, ...]:
    """The grid's runs of a size: each share once, and one share with a second seed."""
    shares = (experiment.anchor,) if size.anchored else experiment.code
    again = experiment.anchor if size.anchored else experiment.repeated
    return (*(Run(size, code) for code in shares), Run(size, again, seed=1))
