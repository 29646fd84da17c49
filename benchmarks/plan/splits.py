"""The rows of ScaleBench's tasks that selection may buy, and those it must forecast: as published, or inside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.laws.tasks import Columns, Task, cost_of, read
from benchmarks.plan.beliefs import Floats, Points
from flpjax.fitting.lawsearch.folds import SPLITS, folds_towards
from flpjax.fitting.lawsearch.structure import axis_of

SIZES = {"70M": 70e6, "160M": 160e6, "305M": 305e6, "410M": 410e6}  # groups of the mixtures, which are sizes of models


class Split(NamedTuple):
    """A task's rows.

    Attributes:
        offered: Columns of the rows that may be bought.
        wanted: Those of the rows that are forecast.
        points: Features of both.
        cost: ``(row offered,)``, up to a factor.
        free: Whether all rows cost the same.
    """

    offered: Columns
    wanted: Columns
    points: Points
    cost: Floats
    free: bool

    @property
    def features(self) -> Columns:
        """Columns of both, without losses."""
        return dict(zip(self.points.names, self.points.columns, strict=True))


def split_of(task: Task, signed: bool, inside: bool) -> Split:
    """The published split, or one inside its training rows.

    Inside, the rows that lie furthest towards the published test rows, by features alone, take these rows' place: about
    15 % of all; where test rows lie among the training rows, every fifth. No published test loss is read.

    Args:
        task: What to read.
        signed: Whether losses may be negative.
        inside: Whether to split the training rows.
    """
    offered, wanted = (_with_sizes(read(task, part)) for part in ("train", "test"))
    if inside:
        out = _towards(offered, wanted, [name for name in offered if name not in task.targets])
        offered, wanted = ({name: v[rows] for name, v in offered.items()} for rows in (~out, out))
    names = tuple(name for name in offered if name not in task.targets)
    count = len(offered[task.targets[0]])
    columns = np.stack([np.concatenate([offered[n], wanted[n]]).astype(float) for n in names])
    points = Points(names, columns, count, len(task.targets), "linear" if signed else "log")
    cost = cost_of(task, offered)
    return Split(offered, wanted, points, np.ones(count) if cost is None else cost, cost is None)


def _towards(train: Columns, test: Columns, names: list[str]) -> NDArray[np.bool_]:
    """``(training row,)`` which take the place of the test rows."""
    x, ahead = (np.stack([part[n] for n in names]).astype(float) for part in (train, test))
    axes = [axis_of(n, v, a) for n, v, a in zip(names, x, ahead, strict=True)]
    folds = folds_towards(axes, x, ahead)
    return np.arange(x.shape[1]) % SPLITS == 0 if folds is None else folds.ahead[1]


def _with_sizes(columns: Columns) -> Columns:
    """Without groups; where these are sizes of models, with their N."""
    group = [str(g) for g in columns["group"]]
    rest = {name: np.asarray(values) for name, values in columns.items() if name != "group"}
    return {**rest, "params": np.array([SIZES[g] for g in group])} if set(group) <= set(SIZES) else rest
