"""Which quantities a ladder varies: no exponent can be known in one that all runs have alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flpjax.ladder.table import Floats, Runs

SAME = 0.05  # of a logarithm: runs of one configuration differ by rounding to whole batches, not by more


class Design(NamedTuple):
    """What differs between the finished runs of a ladder, by more than a twentieth."""

    params: bool = True  # N
    tokens: bool = True  # D
    flops: bool = True  # C
    ratio: bool = True  # tokens per parameter, D/N

    @property
    def one_budget(self) -> bool:
        """Whether all runs cost the same compute: how anything goes on with it, no law of compute can tell."""
        return not self.flops

    @property
    def one_size(self) -> bool:
        """Whether they have the same N and D, too: no law can tell."""
        return not (self.flops or self.params or self.tokens)


ALL_VARY = Design()


def design_of(finals: Runs) -> Design:
    """Read off final checkpoints, one row a run."""

    def varies(log_values: np.ndarray) -> bool:
        if np.isnan(log_values).any():  # not given: nobody knows
            return True
        return len(log_values) > 0 and bool(np.ptp(log_values) > SAME)

    log_n, log_d, log_c = np.log(finals.params), np.log(finals.tokens), np.log(finals.flops)
    return Design(varies(log_n), varies(log_d), varies(log_c), varies(log_d - log_n))


def log_sizes(runs: Runs) -> tuple[Floats, Floats]:
    """``(row,)`` log N and log D; of a table without them, as if both grew alike with ``C = 6·N·D``."""
    half, there = 0.5 * np.log(runs.flops / 6.0), runs.features
    log_n, log_d = (np.log(there[name]) if name in there else half for name in ("params", "tokens"))
    return log_n, log_d
