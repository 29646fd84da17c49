"""A method of one model by its posterior, where others are resampled: ``m3+network+posterior``, ``flp+posterior``."""

from __future__ import annotations

from dataclasses import dataclass

from flpjax.ladder.table import Runs
from flpjax.methods.method import BoundModel, Method

POSTERIOR = "+posterior"
"""Behind the name of a method: its draws are sampled."""


@dataclass(frozen=True)
class Sampled:
    """A method whose draws are of :func:`flpjax.posterior`.

    Attributes:
        method: Of one model.
    """

    method: Method

    def bind(self, runs: Runs) -> BoundModel:
        """As the method does.

        Raises:
            InputError: The ladder can't carry it.
        """
        return self.method.bind(runs)
