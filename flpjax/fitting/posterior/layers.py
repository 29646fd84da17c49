"""From a bound method to what a posterior reads: layers, static, and their data, arrays of ``(run, checkpoint)``."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.fitting.posterior.likelihood import Kind, Layer, LayerData
from flpjax.ladder.table import Runs
from flpjax.methods.emergence import Emerging
from flpjax.methods.method import BoundModel, Model, Stage
from flpjax.numerics import on_device

NEAR_CHANCE = 0.05
"""Checkpoints nearer to chance than this say that a task has not emerged, more than where its line runs."""


def layers_of(bound: BoundModel, emergence: bool | None) -> tuple[tuple[Layer, ...], tuple[LayerData, ...], Model]:
    """The layers of a plan, their data, and the model that draws belong to.

    Args:
        bound: The bound method.
        emergence: Whether scores bend at chance; None where a law that knows no chance level is given checkpoints near
            it.

    Raises:
        InputError: A stage of losses has several rows a run, or losses that may be negative.
    """
    layers, data, model = [], [], bound.model
    for stage in bound.stages:
        place, mask = _by_run(stage)
        kind = _kind(stage, mask)
        bends = kind != "loss" and (_near_chance(bound.runs, stage) if emergence is None else emergence)
        layers.append(Layer(stage.name, stage.law, kind, bends))
        data.append(_data(bound.runs, stage, place, mask, kind))
        if bends:
            model = Emerging(model, tuple(float(c) for c in data[-1].chance))
    return tuple(layers), tuple(data), model


def _kind(stage: Stage, mask: NDArray[np.bool_]) -> Kind:
    if stage.name == "score":
        return "runs" if mask.shape[2] > 1 else "single"
    if mask.shape[2] > 1:
        raise InputError(
            f"stage '{stage.name}' has {mask.shape[2]} rows in one run, and a posterior takes one loss a run",
            where="posterior",
            remedy="Fit the losses of final checkpoints, or use bootstrap()",
        )
    if stage.signed:
        raise InputError(
            f"loss '{stage.outputs[stage.signed.index(True)]}' may be negative, and a posterior is of log losses",
            where="posterior",
            remedy="Use bootstrap()",
        )
    return "loss"


def _near_chance(runs: Runs, stage: Stage) -> bool:
    """Whether a law that runs on below chance was given checkpoints there."""
    if getattr(stage.law, "levels_off", False):
        return False
    chance = np.array([runs.tasks[runs.task_names.index(t)].chance for t in stage.outputs])
    return bool(((stage.weight > 0) & (stage.y < (chance + NEAR_CHANCE)[:, None])).any())


def _by_run(stage: Stage) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows ``(output, run, checkpoint)`` of the stage, and which of these places are taken.

    A row that repeats another of its run to the last digit is a copy, not a fact, and is left out.
    """
    runs = np.unique(stage.run[(stage.weight > 0).any(axis=0)])
    kept: list[list[NDArray[np.int64]]] = []
    for o in range(len(stage.outputs)):
        used = np.flatnonzero(stage.weight[o] > 0)
        inputs = [np.reshape(leaf[o][used], (len(used), -1)) for leaf in jax.tree.leaves(stage.x)]
        tasks = np.column_stack([stage.run[used], stage.y[o][used], *inputs])
        _, first = np.unique(tasks, axis=0, return_index=True)
        used = used[np.sort(first)] if stage.name == "score" else used
        kept.append([used[stage.run[used] == r] for r in runs])
    longest = max(len(rows) for each in kept for rows in each)
    place = np.zeros((len(kept), len(runs), longest), np.int64)
    mask = np.zeros(place.shape, bool)
    for o, each in enumerate(kept):
        place[o] = next(rows[0] for rows in each if len(rows))  # padding repeats a sound row
        for r, rows in enumerate(each):
            place[o, r, : len(rows)], mask[o, r, : len(rows)] = rows, True
    return place, mask


def _data(runs: Runs, stage: Stage, place: NDArray[np.int64], mask: NDArray[np.bool_], kind: Kind) -> LayerData:
    outputs = np.arange(len(stage.outputs))[:, None, None]

    def taken(leaf: Any) -> NDArray[np.float64]:
        return np.asarray(leaf)[outputs, place]

    x, y, nothing = jax.tree.map(taken, stage.x), taken(stage.y), np.zeros(place.shape)
    zero, unit = np.array(stage.units or ((0.0, 1.0),) * len(stage.outputs)).T
    log_flops_below_largest, standardised_loss, known = _log_flops_below_largest(x, mask), nothing, nothing
    chance = np.zeros(len(stage.outputs))
    y = zero[:, None, None] + unit[:, None, None] * y
    if kind != "loss":
        columns = [runs.task_names.index(t) for t in stage.outputs]
        tasks = [runs.tasks[i] for i in columns]
        chance = np.array([t.chance for t in tasks])
        known = _by_questions(y, np.array([t.questions or np.inf for t in tasks]))
        if len(runs) == stage.weight.shape[1]:  # rows of the table, not of its finals
            unknown_count = np.array([t.questions is None for t in tasks])[:, None, None]
            known = np.where(unknown_count, taken(np.nan_to_num(runs.stderr[:, columns].T) ** 2), known)
        standardised_loss = _standardised_loss(x, mask) if kind == "runs" else nothing
    size = np.array([runs.flops[runs.run == r].max() for r in range(len(runs.names))])
    order = np.where(mask, size[stage.run][place] + np.arange(mask.shape[2]) * 1e-6 * size.min(), -np.inf)
    top = order.reshape(len(order), -1).argmax(axis=1)
    arrays = (y, mask.astype(float), log_flops_below_largest, standardised_loss, known, chance, zero, unit, top)
    return LayerData(on_device(x), *map(on_device, arrays))


def _by_questions(score: NDArray[np.float64], questions: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(output, run, checkpoint)`` variance of measured scores, no score of 0 or 1 being exact.

    Of what was measured and not of what a law says, which could else make its own rows more exact by being wrong:
    near 0, with every run off by as much.
    """
    asked = questions[:, None, None]
    middle = (score + 1.0 / asked) / (1.0 + 2.0 / asked)
    return np.asarray(middle * (1.0 - middle) / asked)


def _log_flops_below_largest(x: Any, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(output, run, checkpoint)`` e-folds of FLOPs below the largest row; 0 where the input is no compute."""
    if not hasattr(x, "log_flops"):
        return np.zeros(mask.shape)
    largest = np.where(mask, x.log_flops, -np.inf).max(axis=(1, 2), keepdims=True)
    return np.where(mask, largest - x.log_flops, 0.0)


def _standardised_loss(x: Any, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(output, run, checkpoint)`` the rows' loss, the mean of all domains if several, or log FLOPs, standardised."""
    loss = np.asarray(getattr(x, "log_flops", x)).reshape(*mask.shape, -1).mean(axis=-1)
    count = mask.sum(axis=(1, 2), keepdims=True)
    mean = np.where(mask, loss, 0.0).sum(axis=(1, 2), keepdims=True) / count
    spread = np.sqrt(np.where(mask, (loss - mean) ** 2, 0.0).sum(axis=(1, 2), keepdims=True) / count)
    return np.where(mask, (loss - mean) / np.where(spread > 0, spread, 1.0), 0.0)
