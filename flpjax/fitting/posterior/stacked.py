"""Outputs of many ladders as one: stages of the same shape stacked, so that one program fits and samples them all.

Outputs are independent given their data, so that a ladder's stage is a batch of small problems, and so is that of all
ladders together. Ladders with fewer runs or checkpoints are filled up with rows of weight 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.posterior.likelihood import Layer, LayerData
from flpjax.laws.law import Law
from flpjax.laws.recentred import Recentred, recentred
from flpjax.methods.method import BoundModel, Model, Stage
from flpjax.numerics import on_device

ROOM = 16  # rows of a table are rounded up to a multiple of this many: ladders of nearly one size share programs


@dataclass(frozen=True, eq=False)
class Bound:
    """One ladder, bound to a method.

    Attributes:
        name: What the caller calls it.
        bound: The bound method.
        layers: Its stages.
        data: Layer → what was measured.
        model: What its draws belong to.
    """

    name: str
    bound: BoundModel
    layers: tuple[Layer, ...]
    data: tuple[LayerData, ...]
    model: Model


class Place(NamedTuple):
    """Where a ladder's stage stands in a stack."""

    ladder: int
    stage: int
    first: int  # output
    outputs: int  # how many


@dataclass(frozen=True, eq=False)
class Stack:
    """Stages of many ladders, output after output.

    Attributes:
        layer: What they have in common: one program.
        stage: All of them as one batch of fits.
        data: All of them as one layer's, leaves ``(output, …)``.
        places: Where each ladder's outputs are.
    """

    layer: Layer
    stage: Stage
    data: LayerData
    places: tuple[Place, ...]


def stacked(ladders: Sequence[Bound]) -> list[Stack]:
    """All stages of all ladders, in as few stacks as there are different programs."""
    alike: dict[Any, list[tuple[int, int]]] = {}
    for i, ladder in enumerate(ladders):
        for s, (stage, layer) in enumerate(zip(ladder.bound.stages, ladder.layers, strict=True)):
            x = jax.tree.map(lambda leaf: np.shape(leaf)[2:], stage.x)
            shapes = (jax.tree.structure(stage.x), tuple(map(tuple, jax.tree.leaves(x, is_leaf=_is_shape))))
            kind = type(layer.law), tuple(layer.law.parameters().items())
            fitted = stage.residual.space, stage.residual.huber, stage.residual.prior_sd, stage.recipe
            alike.setdefault((layer.stage, layer.kind, layer.emerging, kind, fitted, shapes), []).append((i, s))
    found = []
    for members in alike.values():
        found += _of_one_kind(ladders, members)
    return found


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(n, int) for n in value)


def _of_one_kind(ladders: Sequence[Bound], members: list[tuple[int, int]]) -> list[Stack]:
    """One stack; or one for each law, where laws differ by more than numbers that can be data."""
    laws = [ladders[i].layers[s].law for i, s in members]
    stage = ladders[members[0][0]].bound.stages[members[0][1]]
    row = jax.tree.map(lambda leaf: np.asarray(leaf)[0, 0], stage.x)
    common = None if stage.recipe is not None else recentred(laws, row)
    if common is not None:
        return [_stack(ladders, members, *common)]
    each = dict.fromkeys(laws)
    own = [[m for m, law in zip(members, laws, strict=True) if law == one] for one in each]
    return [_stack(ladders, m, law, np.zeros((len(m), 0))) for law, m in zip(each, own, strict=True)]


def _stack(ladders: Sequence[Bound], members: list[tuple[int, int]], law: Law, numbers: NDArray[np.float64]) -> Stack:
    stages = [ladders[i].bound.stages[s] for i, s in members]
    data = [ladders[i].data[s] for i, s in members]
    runs, checkpoints = (max(d.mask.shape[axis] for d in data) for axis in (1, 2))
    rows = -(-max(stage.y.shape[1] for stage in stages) // ROOM) * ROOM
    moving = isinstance(law, Recentred)
    wide = [padded_data(d, runs, checkpoints) for d in data]
    long = [_padded_stage(s, rows) for s in stages]
    if moving:
        wide = [d._replace(x=_with_numbers(d.x, own, d.mask.shape)) for d, own in zip(wide, numbers, strict=True)]
        long = [replace(s, x=_with_numbers(s.x, own, s.y.shape)) for s, own in zip(long, numbers, strict=True)]
    first, places = 0, []
    for (ladder, s), stage in zip(members, stages, strict=True):
        places.append(Place(ladder, s, first, len(stage.outputs)))
        first += len(stage.outputs)
    together = replace(
        stages[0],
        residual=replace(stages[0].residual, law=law),
        outputs=tuple(o for stage in stages for o in stage.outputs),
        x=jax.tree.map(lambda *leaf: np.concatenate(leaf), *(s.x for s in long)),
        y=np.concatenate([s.y for s in long]),
        weight=np.concatenate([s.weight for s in long]),
        run=np.zeros(rows, np.int64),
        units=tuple(u for s in stages for u in s.units or ((0.0, 1.0),) * len(s.outputs))
        if any(s.units for s in stages)
        else (),
        signed=(),
    )
    layer = replace(ladders[members[0][0]].layers[members[0][1]], law=law)
    everything = jax.tree.map(lambda *leaf: np.concatenate([np.asarray(v) for v in leaf]), *wide)
    return Stack(layer, together, on_device(everything), tuple(places))


def _padded_stage(stage: Stage, rows: int) -> Stage:
    """Up to so many rows: the last one repeated, with weight 0."""

    def longer(leaf: Any) -> NDArray[Any]:
        array = np.asarray(leaf)
        return np.pad(array, [(0, 0), (0, rows - array.shape[1]), *[(0, 0)] * (array.ndim - 2)], mode="edge")

    more = rows - stage.weight.shape[1]
    return replace(
        stage, x=jax.tree.map(longer, stage.x), y=longer(stage.y), weight=np.pad(stage.weight, [(0, 0), (0, more)])
    )


def padded_data(data: LayerData, runs: int, checkpoints: int) -> LayerData:
    """Up to so many runs of so many checkpoints: the last ones repeated, with mask 0."""
    more = runs - data.mask.shape[1], checkpoints - data.mask.shape[2]

    def wider(leaf: Any) -> NDArray[Any]:
        array = np.asarray(leaf)
        if array.ndim < 3:
            return array
        return np.pad(array, [(0, 0), (0, more[0]), (0, more[1]), *[(0, 0)] * (array.ndim - 3)], mode="edge")

    run, checkpoint = np.divmod(np.asarray(data.top), data.mask.shape[2])
    mask = np.pad(np.asarray(data.mask), [(0, 0), (0, more[0]), (0, more[1])])
    return jax.tree.map(wider, data)._replace(mask=mask, top=run * checkpoints + checkpoint)


def _with_numbers(x: Any, numbers: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[Any, NDArray[np.float64]]:
    """Inputs with the law's numbers beside every row."""
    return x, np.broadcast_to(numbers, (*shape, len(numbers)))
