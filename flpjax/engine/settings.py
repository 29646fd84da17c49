"""How long, how exactly, and where to solve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
from jax.sharding import Mesh


@dataclass(frozen=True)
class Settings:
    """How long, how exactly, and where to solve.

    Attributes:
        steps: The most steps a start may take.
        tolerance: Stop when the next Newton step would lower the objective by less than this share of it; None takes
            what the precision allows.
        follow: ``"all"`` starts to their ends; or only the ``"promising"`` ones: all take eight steps at most, and the
            lowest 1 in 64 goes on. The share that agree is of those followed.
        precision: ``"float64"``, or ``"float32"`` for half the memory and more speed on a GPU, at fewer digits.
        mesh: The devices to spread fits over; None takes all of this process. With a mesh over several processes
            (``jax.distributed``), each must make the same call, and each gets the whole answer.
    """

    steps: int = 200
    tolerance: float | None = None
    follow: Literal["all", "promising"] = "all"
    precision: Literal["float64", "float32"] = "float64"
    mesh: Mesh | None = None

    def share(self, dtype: Any) -> float:
        """The tolerance for this precision."""
        return 50.0 * float(jnp.finfo(dtype).eps) if self.tolerance is None else self.tolerance
