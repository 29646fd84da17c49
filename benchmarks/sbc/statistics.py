"""Whether ranks of known truths are uniform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

DRAWS = 99  # ranks from 0 to 99
BINS, LEVEL, WORST = 10, 0.01, 3.0


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of the truth among the draws, 0 to :data:`DRAWS`, each quantity ``(simulation,)``."""

    of: dict[str, NDArray[np.int64]]

    @property
    def histograms(self) -> dict[str, list[int]]:
        """How many ranks lie in each of :data:`BINS` bins: full on the right where truths lie above most draws."""
        return {n: np.bincount(r * BINS // (DRAWS + 1), minlength=BINS).tolist() for n, r in self.of.items()}

    @property
    def p_values(self) -> dict[str, float]:
        """Of χ², each times the number of quantities."""
        found = {}
        for name, rank in self.of.items():
            seen = np.array(self.histograms[name])
            expected = len(rank) / BINS
            found[name] = float(min(1.0, chi2.sf(((seen - expected) ** 2 / expected).sum(), BINS - 1) * len(self.of)))
        return found

    @property
    def dispersion(self) -> float:
        """How many standard errors the spread of ranks is off: positive is overconfident."""
        share = np.stack([rank / DRAWS - 0.5 for rank in self.of.values()])
        uniform = ((np.arange(DRAWS + 1) / DRAWS - 0.5) ** 2).mean()
        off = (share**2).mean(axis=0) - uniform
        return float(off.mean() / (off.std(ddof=1) / np.sqrt(len(off))))

    @property
    def passed(self) -> bool:
        """By both statistics."""
        return min(self.p_values.values()) > LEVEL and abs(self.dispersion) < WORST

    @classmethod
    def joined(cls, parts: Sequence[Ranks]) -> Ranks:
        """Those of several lots of simulations of one posterior."""
        return cls({name: np.concatenate([part.of[name] for part in parts]) for name in parts[0].of})
