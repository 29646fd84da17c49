"""What draws of a blend say of targets: each law is asked by the draws that take it, by the program that fitted it.

As one program a blend would be compiled for every ladder, for longer than its fits take, and each draw would ask every
law and map. Here programs are those of single laws, which ladders share; departures from laws are sums of NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.averaging.lanes import MANY, ROWS, values
from flpjax.fitting.averaging.shared import times_matrices
from flpjax.ladder.features import Features
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, Params
from flpjax.methods.blend import SHARES, Blend, LossLaw, ScoreMap
from flpjax.methods.method import Prediction, StageParams

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
POINTS = 1 << 18  # lanes times targets at a time: departures take a few dozen numbers for each
SHARED = 4  # lanes that read the same rows, from which on a product of matrices is quicker than one of each lane


class _Rows(NamedTuple):
    """What lanes read: of some sets of rows, each lane's own."""

    x: Any  # leaves (set, target, …)
    which: Indices  # (lane,) whose rows


def blended(
    model: Blend, params: StageParams, compute: Features, noise: Prediction, bounds: Any
) -> tuple[Floats, Floats]:
    """Losses ``(draw, target, domain)`` and scores ``(draw, target, task)``.

    Args:
        model: Laws and maps.
        params: Stage → parameter → ``(draw, …)``; all leaves of NumPy, as those of the other arguments.
        compute: Leaves ``(target, …)``, or ``(draw, target, …)``.
        noise: What a measured value departs by: log losses ``(draw, domain)``, scores ``(draw, task)``.
        bounds: What expected scores are kept within, and measured ones: two pairs ``(target, task)``; or None.
    """
    shares = params[SHARES]
    draws, targets = len(shares["loss"]), np.shape(compute.log_flops)[-1]
    expected = _mixed(
        [_losses(part, params[f"loss {i}"], shares["loss"][:, i], compute) for i, part in enumerate(model.laws)],
        shares["loss"],
        (draws, targets, len(model.domains)),
    )
    loss = expected * np.exp(noise.loss)[:, None]
    through = loss if all(m.through for m in model.maps) else expected
    score = _mixed(
        [
            _scores(part, params[f"score {i}"], shares["score"][:, i], through, compute)
            for i, part in enumerate(model.maps)
        ],
        shares["score"],
        (draws, targets, len(model.tasks)),
    )
    if "lowest" in shares:
        score = np.clip(score, shares["lowest"][:, None], 1.0)
    if bounds is None:
        return loss, score + noise.score[:, None]
    return loss, np.clip(np.clip(score, *bounds[0]) + noise.score[:, None], *bounds[1])


class _Part(NamedTuple):
    """Values of one law, of the draws and outputs that take it."""

    draw: Indices  # (lane,)
    place: Indices  # (lane,) of the output among all
    value: Floats  # (lane, target)


def _mixed(parts: list[_Part], share: Any, shape: tuple[int, int, int]) -> Floats:
    """``(draw, target, output)`` as parts have it by their shares ``(draw, part, output)``; NaN of none."""
    found = np.zeros(shape)
    for i, (draw, place, value) in enumerate(parts):
        found[draw, :, place] += share[draw, i, place][:, None] * value
    nobody = ~(share > 0).any(axis=1) if parts else np.ones((shape[0], shape[2]), bool)
    return np.where(nobody[:, None], np.nan, found)


def _losses(part: LossLaw, params: Params, share: Any, compute: Features) -> _Part:
    """Of draws whose share ``(draw, domain)`` of a law of losses is not 0."""
    draw, output = np.nonzero(share[:, list(part.domains)] > 0)
    rows = _of_compute(compute, draw)
    if part.order:
        order = np.array(part.order)[output]
        own = compute.weights[draw] if np.ndim(compute.log_flops) > 1 else compute.weights[None]
        rolled = np.take_along_axis(np.broadcast_to(own, (len(draw), *own.shape[1:])), order[:, None], axis=2)
        whole = jax.tree.map(lambda leaf: leaf[rows.which], rows.x)
        rows = _Rows(whole.replace(mix=rolled), np.arange(len(draw)))
    return _part(part.law, part.units, part.domains, params, draw, output, rows)


def _scores(part: ScoreMap, params: Params, share: Any, loss: Floats, compute: Features) -> _Part:
    """Of draws whose share ``(draw, task)`` of a map is not 0."""
    draw, output = np.nonzero(share[:, list(part.tasks)] > 0)
    if not part.through:
        return _part(part.law, part.units, part.tasks, params, draw, output, _of_compute(compute, draw))
    read, which = np.unique(np.array(part.through), axis=0, return_inverse=True)  # (set, loss), (output,)
    x = np.moveaxis(loss[:, :, read], 2, 1).reshape(-1, loss.shape[1], read.shape[1])  # of each draw and set
    rows = _Rows(x[..., 0] if part.single else x, draw * len(read) + which.ravel()[output])
    return _part(part.law, part.units, part.tasks, params, draw, output, rows)


def _of_compute(compute: Features, draw: Indices) -> _Rows:
    if np.ndim(compute.log_flops) > 1:
        return _Rows(compute, draw)
    return _Rows(jax.tree.map(lambda leaf: leaf[None], compute), np.zeros_like(draw))


def _part(
    law: Law, units: Any, places: tuple[int, ...], params: Params, draw: Indices, output: Indices, rows: _Rows
) -> _Part:
    if not len(draw):
        return _Part(draw, draw, np.zeros((0, jax.tree.leaves(rows.x)[0].shape[1])))
    own = {name: np.asarray(v)[draw, output] for name, v in params.items()}
    each = max(POINTS // jax.tree.leaves(rows.x)[0].shape[1], 1)
    many = True if len(draw) >= MANY else None
    value = np.concatenate(
        [
            _values(law, {name: v[at : at + each] for name, v in own.items()}, _some(rows, slice(at, at + each)), many)
            for at in range(0, len(draw), each)
        ]
    )
    if units:
        zero, unit = np.array(units)[output].T
        value = zero[:, None] + unit[:, None] * value
    return _Part(draw, np.array(places, np.intp)[output], value)


def _some(rows: _Rows, lanes: slice) -> _Rows:
    """Of some lanes, and the sets that they read."""
    read, which = np.unique(rows.which[lanes], return_inverse=True)
    return _Rows(jax.tree.map(lambda leaf: leaf[read], rows.x), which)


def _values(law: Law, params: dict[str, Floats], rows: _Rows, many: bool | None) -> Floats:
    """``(lane, target)`` of a law at parameters ``(lane, …)``; ``many`` says whether these are some of many lanes."""
    inner, space = (law.law, law.space) if isinstance(law, Discrepancy) else (law, "linear")

    def evaluated(x: Any, which: Indices, blocks: int) -> Floats:
        free = np.repeat(_free(inner, params), blocks, axis=0)
        return values(inner, space, free, x, which, many=True if inner is law else many)

    value = _in_blocks(rows, evaluated)
    if isinstance(law, Discrepancy):
        value = value + _departure(law, params, rows)
    return np.exp(value) if space == "log" else value


def _departure(law: Discrepancy, params: dict[str, Floats], rows: _Rows) -> Floats | float:
    """``(lane, target)`` of a law's discrepancy."""
    if not law.cells:
        return 0.0
    sets, targets = jax.tree.leaves(rows.x)[0].shape[:2]
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), rows.x)
    basis = law.basis_of_rows(flat).reshape(sets, targets, -1)
    weights = params["amplitude"][:, None] * params["curvature"]
    if sets * SHARED > len(weights):
        return np.asarray((basis[rows.which] @ weights[..., None])[..., 0])
    return times_matrices(weights, np.swapaxes(basis, 1, 2), rows.which)


def _in_blocks(rows: _Rows, evaluate: Callable[[Any, Indices, int], Floats]) -> Floats:
    """Values ``(lane, target)``, of :data:`ROWS` targets each lane and call, as short ladders are fitted."""
    targets = jax.tree.leaves(rows.x)[0].shape[1]
    blocks = -(-targets // ROWS)

    def cut(leaf: NDArray[Any]) -> NDArray[Any]:
        last = np.repeat(leaf[:, -1:], blocks * ROWS - targets, axis=1)
        return np.concatenate([leaf, last], axis=1).reshape(-1, ROWS, *leaf.shape[2:])

    which = (rows.which[:, None] * blocks + np.arange(blocks)).ravel()
    found = evaluate(jax.tree.map(cut, rows.x), which, blocks)
    return found.reshape(len(rows.which), -1)[:, :targets]


def _free(law: Law, params: dict[str, Floats]) -> Floats:
    """Unconstrained parameters ``(lane, p)`` of those inside their supports."""
    lanes = len(next(iter(params.values())))
    free = [p.outside(params[name]).reshape(lanes, -1) for name, p in law.parameters().items()]
    return np.concatenate(free, axis=1)
