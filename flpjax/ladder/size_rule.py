"""How large the models of a ladder are for their compute: what completes a target of which only FLOPs are given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FEWEST = 3  # different models: a line through two leaves nothing to say how sure it is
LOOSE = float(np.log(1.5))
"""Scatter of log N at one C, above which there is no rule: a grid of sizes at each budget has .4 and more."""
SAME = 0.01  # difference of log N and log C below which two runs are one fact


class SizeRule(NamedTuple):
    """A straight line of log N on log C, through the final checkpoints of a ladder, with what it leaves open."""

    log_flops: float  # mean log C
    log_params: float  # log N there
    slope: float
    sd: float  # residual standard deviation of log N
    models: int  # different ones
    spread: float  # sum of squared departures of log C from its mean

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the residual standard deviation."""
        return self.models - 2

    def params(self, flops: float) -> float:
        """N at C ``flops``."""
        return float(np.exp(self.log_params + self.slope * (np.log(flops) - self.log_flops)))

    def sd_at(self, flops: float) -> float:
        """Scale of Student's t of log N of another model at C ``flops``: its scatter, and the line's error."""
        away = (np.log(flops) - self.log_flops) ** 2 / self.spread
        return float(self.sd * np.sqrt(1.0 + 1.0 / self.models + away))


def size_rule(params: NDArray[np.float64], flops: NDArray[np.float64]) -> tuple[SizeRule | None, str]:
    """The rule of a ladder, or None and why there is none.

    Args:
        params: ``(run,)`` N of final checkpoints.
        flops: ``(run,)`` their C.
    """
    if np.isnan(params).any():
        return None, "it has no column 'params'"
    both = np.log(np.stack([params, flops], axis=1)) if len(params) else np.zeros((0, 2))
    _, first = np.unique(np.round(both / SAME), axis=0, return_index=True)
    log_n, log_c = both[first].T
    models = len(log_n)
    if models < FEWEST:
        return None, f"it has {models} different model{'s' * (models != 1)}, and a rule takes {FEWEST}"
    if np.ptp(log_c) < SAME * models:
        return None, "all its models have the same C"
    slope, level = np.polyfit(log_c - log_c.mean(), log_n, 1)
    residual = log_n - level - slope * (log_c - log_c.mean())
    sd = float(np.sqrt((residual**2).sum() / (models - 2)))
    if sd > LOOSE:
        return None, f"its models of one C differ in N by a factor {np.exp(sd):.1f} and more"
    return SizeRule(
        float(log_c.mean()), float(level), float(slope), sd, models, float(((log_c - log_c.mean()) ** 2).sum())
    ), ""
