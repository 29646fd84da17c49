"""One part: every method fitted once, and all that it forecast scored against what came."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jax import Array

from benchmarks.calibration.forecasters import Forecaster
from benchmarks.calibration.scoring import Floats, Scored
from flpjax import Draws, FlpjaxError, forecast, targets_of
from flpjax.ladder.table import Runs

BINS = (0.0, 1.0, 2.0, 4.0)  # e-folds of FLOPs beyond the largest run of the ladder, as the lower edges


class Cell(NamedTuple):
    """One measured number, and how well each method forecast it."""

    ladder: str
    seen: int  # 0 for a final target
    target: str
    kind: str  # loss or score
    name: str
    distance: float  # e-folds of FLOPs beyond the ladder's largest run, 0 inside
    scored: Mapping[str, Scored]  # by the methods that forecast it; losses as logarithms, scores as fractions

    @property
    def final(self) -> bool:
        """Whether it is a final target."""
        return self.seen == 0

    @property
    def bin(self) -> str:
        """The distance in words."""
        i = max(i for i, edge in enumerate(BINS) if self.distance >= edge)
        return f"{BINS[i]:g}-{BINS[i + 1]:g}" if i + 1 < len(BINS) else f">{BINS[i]:g}"


@dataclass(frozen=True)
class Counted:
    """What one part came to.

    Attributes:
        ladder: The ladder.
        seen: How many of its runs were seen; 0 for all that are not held out.
        cells: All that was measured, forecast or not.
        failed: Method → why it forecast nothing.
        seconds: Method → time, with compilation.
    """

    ladder: str
    seen: int
    cells: tuple[Cell, ...]
    failed: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def count(ladder: str, seen: int, runs: Runs, forecasters: Mapping[str, Forecaster], key: Array, draws: int) -> Counted:
    """Fit every method on the runs that are not held out; score what it says of the others' final checkpoints.

    A method that raises is recorded with its reason, and its cells count as failed.
    """
    actual = runs.targets().finals()
    came = np.concatenate([np.log(actual.loss), actual.score], axis=1)
    told: dict[str, Floats] = {}
    failed: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for name, fit in forecasters.items():
        begun = time.perf_counter()
        try:
            told[name] = drawn(fit(runs, key, draws), actual)
        except FlpjaxError as error:
            failed[name] = str(error)
        except Exception as error:  # a bug is counted like a failure, and shown: the other cells are still of use
            traceback.print_exc(file=sys.stderr)
            failed[name] = f"{type(error).__name__}: {error}"
        seconds[name] = time.perf_counter() - begun
    edge = np.log(runs.training().flops.max())
    names = [*(("loss", d) for d in actual.domains), *(("score", t) for t in actual.task_names)]
    cells = []
    for i, j in zip(*np.nonzero(np.isfinite(came)), strict=True):
        each = {name: Scored.of(values[:, i, j], float(came[i, j])) for name, values in told.items()}
        scored = {name: s for name, s in each.items() if s is not None}
        distance = max(float(np.log(actual.flops[i]) - edge), 0.0)
        kind, name = names[j]
        cells.append(Cell(ladder, seen, actual.names[actual.run[i]], kind, name, distance, scored))
    return Counted(ladder, seen, tuple(cells), failed, seconds)


def drawn(draws: Draws, actual: Runs) -> Floats:
    """Log losses and scores ``(draw, target, output)`` of what a run will measure, in the order of the table."""
    seen = forecast(draws, targets_of(actual))
    values = np.full((len(draws), len(actual), len(actual.domains) + len(actual.tasks)), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        losses = np.log(seen.loss_draws)
    for model, table, own, first in (
        (draws.model.domains, actual.domains, losses, 0),
        (draws.model.tasks, actual.task_names, seen.score_draws, len(actual.domains)),
    ):
        for j, name in enumerate(model):
            if name in table:
                values[:, :, first + table.index(name)] = own[:, :, j]
    return values
