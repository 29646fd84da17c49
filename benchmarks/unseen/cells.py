"""One part: every method fitted to what was seen, and all that it forecast scored against what came."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from benchmarks.calibration.scoring import Floats, Scored
from benchmarks.methods import key
from benchmarks.unseen.forecasters import FORECASTERS, Forecaster, UnsuitedError, drawn
from benchmarks.unseen.judged import Judged, judged
from benchmarks.unseen.origins import Part, state
from benchmarks.unseen.panel import PANEL, Kind
from flpjax import Draws, FlpjaxError, Runs
from flpjax.cli.start import start_jax

BINS = (0.0, 1.0, 2.0, 4.0)  # e-folds of FLOPs beyond the largest run that is seen, as the lower edges
MAPS = Path("/proc/self/maps")
MOST_MAPS = 40_000  # of the 65,530 parts of memory that Linux lets a process map; a compiled program takes several


class Forecasted(NamedTuple):
    """How good one forecast of one number was."""

    scored: Scored
    off: float  # the median less what came: of a loss relative to it, of a score the difference


class Cell(NamedTuple):
    """One measured number, and how well each method forecast it."""

    target: str
    kind: Kind
    name: str
    distance: float  # e-folds of FLOPs beyond the largest run that is seen, 0 inside
    by: Mapping[str, Forecasted]  # the methods that forecast it

    @property
    def bin(self) -> str:
        """The distance in words."""
        i = max(i for i, edge in enumerate(BINS) if self.distance >= edge)
        return f"{BINS[i]:g}-{BINS[i + 1]:g}" if i + 1 < len(BINS) else f">{BINS[i]:g}"


@dataclass(frozen=True)
class Counted:
    """What one part came to.

    Attributes:
        part: Ladder and origin.
        cells: All that was measured, forecast or not.
        failed: Method → why it forecast nothing although it should.
        unsuited: Method → why nobody expects it to.
        seconds: Method → time, with compilation.
        judged: What the review says of the first method that gives draws; None if nobody asked.
    """

    part: Part
    cells: tuple[Cell, ...]
    failed: dict[str, str] = field(default_factory=dict)
    unsuited: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    judged: Judged | None = None


class Task(NamedTuple):
    """What a process of its own is told."""

    part: Part
    methods: tuple[str, ...]
    draws: int
    review: bool = False


def one(task: Task) -> Counted:
    """All cells of one part of the panel; compiled programs are kept as the command line keeps them."""
    start_jax()
    ladder = PANEL[task.part.ladder]
    forecasters = {name: FORECASTERS[name] for name in task.methods}
    counted = count(task.part, state(task.part), forecasters, key(), task.draws, ladder.kinds, task.review)
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
    return counted


def unknown(runs: Runs) -> Runs:
    """The targets as a forecaster sees them: names, N, D, C, mixture and features, no value measured."""
    finals = runs.targets().finals()
    nothing = {name: np.full_like(getattr(finals, name), np.nan) for name in ("loss", "score", "stderr", "train_loss")}
    return replace(finals, **nothing)


def count(
    part: Part,
    runs: Runs,
    forecasters: Mapping[str, Forecaster],
    key: Array,
    draws: int,
    kinds: Sequence[Kind],
    review: bool = False,
) -> Counted:
    """Fit every method on the runs that are not held out; score what it says of the others' final checkpoints.

    A method is given those runs alone, and of the others what is known before they are trained. One that raises is
    recorded with its reason.
    """
    actual, training, asked = runs.targets().finals(), runs.training(), unknown(runs)
    told: dict[str, Floats] = {}
    failed: dict[str, str] = {}
    unsuited: dict[str, str] = {}
    seconds: dict[str, float] = {}
    said: Judged | None = None
    for name, fit in forecasters.items():
        begun = time.perf_counter()
        try:
            found = fit(part.ladder, training, asked, key, draws)
            told[name] = drawn(found, asked) if isinstance(found, Draws) else found
            if review and said is None and isinstance(found, Draws):
                said = judged(found, training, asked)
        except UnsuitedError as why:
            unsuited[name] = str(why)
            continue
        except FlpjaxError as error:
            failed[name] = str(error)
        except Exception as error:  # a bug is counted like a failure, and shown: the other cells are still of use
            traceback.print_exc(file=sys.stderr)
            failed[name] = f"{type(error).__name__}: {error}"
        seconds[name] = time.perf_counter() - begun
    cells = tuple(_cells(actual, told, float(np.log(training.flops.max())), kinds))
    return Counted(part, cells, failed, unsuited, seconds, said)


def _cells(actual: Runs, told: Mapping[str, Floats], edge: float, kinds: Sequence[Kind]) -> list[Cell]:
    came = np.concatenate([np.log(actual.loss), actual.score], axis=1)
    names: list[tuple[Kind, str]] = [("loss", d) for d in actual.domains]
    names += [("score", t) for t in actual.task_names]
    cells = []
    for i, j in zip(*np.nonzero(np.isfinite(came)), strict=True):
        kind, name = names[j]
        if kind not in kinds:
            continue
        each = {method: _forecasted(values[:, i, j], float(came[i, j]), kind) for method, values in told.items()}
        by = {method: found for method, found in each.items() if found is not None}
        distance = max(float(np.log(actual.flops[i]) - edge), 0.0)
        cells.append(Cell(actual.names[actual.run[i]], kind, name, distance, by))
    return cells


def _forecasted(draws: Floats, actual: float, kind: Kind) -> Forecasted | None:
    scored = Scored.of(draws, actual)
    if scored is None:
        return None
    off = float(np.median(draws[np.isfinite(draws)])) - actual
    return Forecasted(scored, float(np.expm1(off)) if kind == "loss" else off)
