"""What a budget pays for, and what an allocation keeps to: FLOPs of training and inference, unique tokens, a cap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.ladder.compute import FlopsRule

FORWARD = 2.0
"""FLOPs of inference per parameter and token: the forward pass alone (Sardana et al. 2024, §2)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """What an allocation keeps to.

    Attributes:
        inference_tokens: Tokens that the model will read and write over its life, whose FLOPs the budget pays, too
            (Sardana et al. 2024, arXiv 2401.00448).
        most_params: N at most.
        unique_tokens: Different tokens there are; more are repetitions, and the law must know what these are worth.
    """

    inference_tokens: float = 0.0
    most_params: float | None = None
    unique_tokens: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.inference_tokens < np.inf:
            raise InputError(
                f"{self.inference_tokens:g} tokens of inference", where="inference_tokens", remedy="Give 0 or more"
            )
        for name in ("most_params", "unique_tokens"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < np.inf:
                raise InputError(f"{name} is {value:g}", where=name, remedy="Give a positive number, or leave it out")

    @property
    def words(self) -> str:
        """What is kept to, as the end of a sentence; empty if nothing is."""
        parts = [f"{self.inference_tokens:.3g} tokens of inference"] if self.inference_tokens else []
        parts += [f"N at most {self.most_params:.3g}"] if self.most_params else []
        parts += [f"{self.unique_tokens:.3g} unique tokens"] if self.unique_tokens else []
        return ", ".join(parts)

    def training(self, log_params: Floats, budget: float) -> Floats:
        """FLOPs that are left for training ``(…)`` at log N; NaN where inference alone costs the budget."""
        left = budget - FORWARD * np.exp(log_params) * self.inference_tokens
        return np.where(left > 0, left, np.nan)

    def log_tokens(self, log_params: Floats, budget: float, rule: FlopsRule) -> Floats:
        """Log D ``(…)`` that the budget pays for at log N, by the ladder's rule of FLOPs; NaN where it pays none."""
        return rule.log_tokens(log_params, np.log(self.training(log_params, budget)))
