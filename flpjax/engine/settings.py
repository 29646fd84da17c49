"""Settings of the solver (steps, tolerance, precision, devices), and the status that a fit ends with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

import jax.numpy as jnp
from jax.sharding import Mesh


@dataclass(frozen=True)
class Settings:
    """Settings of the solver.

    Attributes:
        steps: The most steps a start may take.
        tolerance: Stop when the next Newton step would lower the objective by less than this share of it; None takes
            50 roundings of the precision.
        follow: ``"all"`` starts to their ends; or only the ``"promising"`` ones: all take eight steps at most, and the
            1 in 64 with the lowest objectives go on. The share of starts that a fit reports to agree is of those only.
        precision: ``"float64"``, or ``"float32"`` for half the memory and more speed on a GPU, at fewer digits.
        mesh: The devices to spread fits over; None takes all devices of this process. With a mesh over several
            processes (``jax.distributed``), each must make the same call, and each gets the whole answer.
    """

    steps: int = 200
    tolerance: float | None = None
    follow: Literal["all", "promising"] = "all"
    precision: Literal["float64", "float32"] = "float64"
    mesh: Mesh | None = None

    def share(self, dtype: Any) -> float:
        """``tolerance``, or its default for ``dtype``: a share of the objective."""
        return 50.0 * float(jnp.finfo(dtype).eps) if self.tolerance is None else self.tolerance


class Status(IntEnum):
    """How one start, or the best of several, ended; :attr:`advice` says what each value means."""

    RUNNING = -1
    CONVERGED = 0
    STEP_LIMIT = 1
    NON_FINITE_START = 2
    SINGULAR = 3
    STALLED = 4
    ALL_FAILED = 5
    TRAINED = 6

    @property
    def usable(self) -> bool:
        """Whether forecasts from such a fit mean anything.

        Those from a singular one may: a direction in which the objective is flat need not change the forecast.
        """
        return self in (Status.CONVERGED, Status.SINGULAR, Status.TRAINED)

    @property
    def advice(self) -> str:
        """What it means and what to do."""
        return _ADVICE[self]


USABLE = tuple(status for status in Status if status.usable)

_ADVICE = {
    Status.RUNNING: "the solver was not run",
    Status.CONVERGED: "the gradient vanishes at the optimum",
    Status.STEP_LIMIT: "the step limit came before the optimum: raise Settings.steps, or use more starts",
    Status.NON_FINITE_START: "the formula is not finite at the start: look for extreme values in the table",
    Status.SINGULAR: "the data leave a direction of the parameters undetermined: add runs that differ in what the "
    "form needs, or use a form with fewer parameters",
    Status.STALLED: "no step lowers the objective although the gradient does not vanish: rescale the table, or use "
    "a larger Huber corner",
    Status.TRAINED: "the recipe of training has ended: judge it by how far tied starts differ in what they predict",
    Status.ALL_FAILED: "no start reached an optimum: look for extreme values, or use a form with fewer parameters",
}
