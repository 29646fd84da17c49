"""From where forecasts are made: from all runs that train to those held out, and from a few earlier states on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.calibration.ladders import rolled
from benchmarks.unseen.panel import PANEL, Ladder
from flpjax import Runs

ORIGINS = 5
FEWEST, SHARE = 4, 0.25  # runs seen from an origin: these at least, and this share of those that train
UNSEEN = 0.1  # share of those that train that is forecast at least
GAP = 0.05  # e-folds of FLOPs between the largest run that is seen and the next: no budget is cut in two


class Part(NamedTuple):
    """Forecasts from one state of one ladder."""

    ladder: str
    seen: int  # the smallest runs that are fitted; 0 for all that train, which forecast those held out

    @property
    def final(self) -> bool:
        """Whether the targets are the ladder's held-out runs."""
        return self.seen == 0

    def __str__(self) -> str:
        return f"{self.ladder}, {'final' if self.final else f'{self.seen} smallest'}"


def parts(names: Sequence[str], many: Callable[[Runs], int], panel: Mapping[str, Ladder] = PANEL) -> list[Part]:
    """All parts of these ladders: each to its end, and from as many states before as ``many`` says, if it has them."""
    ladders = [(name, panel[name]()) for name in names]
    return [Part(name, seen) for name, runs in ladders for seen in (0, *origins_of(runs, many(runs)))]


def quick(runs: Runs) -> int:
    """Origins of a quick run: two, one where there are scores, none of mixtures, whose fits take longest."""
    return 0 if runs.sources else 1 if runs.tasks else 2


def state(part: Part, panel: Mapping[str, Ladder] = PANEL) -> Runs:
    """The ladder with the part's targets held out."""
    runs = panel[part.ladder]()
    return runs if part.final else rolled(runs, part.seen)


def origins_of(runs: Runs, count: int) -> list[int]:
    """How many of the smallest training runs are seen from each origin, evenly over the logarithm of compute.

    The last one leaves a tenth of the training runs to be forecast, or the largest scale where that is more.
    """
    training = runs.training()
    most = np.log([training.flops[training.run == i].max() for i in range(len(training.names))])
    log_flops = np.sort(most)
    fewest = max(FEWEST, round(SHARE * len(log_flops)))
    cuts = np.flatnonzero(np.diff(log_flops) > GAP) + 1
    cuts = cuts[(cuts >= fewest) & (cuts <= len(log_flops) - round(UNSEEN * len(log_flops)))]
    if not count:
        return []
    if len(cuts) <= count:
        return [int(k) for k in cuts]
    reached = log_flops[cuts - 1]
    wanted = np.linspace(reached[0], reached[-1], count + 1)[1:]
    nearest = np.abs(reached[None, :] - wanted[:, None]).argmin(axis=1)
    return [int(k) for k in np.unique(cuts[nearest])]
