"""Rows of runs of any length in parts of one length: of a table in which few runs are long, little is padding."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from flpjax.fitting.posterior.likelihood import LayerData, Parts

LENGTH = 8  # checkpoints of a part
LEAST = 16  # parts: so many, or half as many again, doubled as often as it takes, so that programs are few


def parts_needed(mask: NDArray[np.float64]) -> NDArray[np.int64]:
    """``(output,)`` how many parts the rows of a mask ``(output, run, checkpoint)`` are given."""
    needed = np.ceil(mask.sum(axis=2) / LENGTH).sum(axis=1)
    sizes = np.array([LEAST * 2**k * share for k in range(32) for share in (1.0, 1.5)])
    return sizes[np.searchsorted(sizes, needed)].astype(np.int64)


def in_parts(data: LayerData) -> LayerData:
    """The same rows with ``(output, part, checkpoint of the part)`` in place of ``(output, run, checkpoint)``.

    Args:
        data: Of outputs that need equally many parts; leaves are of NumPy.
    """
    mask = np.asarray(data.mask)
    (count,) = set(parts_needed(mask).tolist())
    outputs, runs, checkpoints = mask.shape
    place = np.argmax(mask.reshape(outputs, -1), axis=1)[:, None, None] * np.ones((1, count, LENGTH), int)  # sound rows
    taken, run = np.zeros(place.shape), np.zeros((outputs, count), int)
    of_run = np.full((outputs, runs, -(-checkpoints // LENGTH)), -1)
    for o in range(outputs):
        at = 0
        for r in range(runs):
            rows = r * checkpoints + np.flatnonzero(mask[o, r])
            for k, begin in enumerate(range(0, len(rows), LENGTH)):
                some = rows[begin : begin + LENGTH]
                place[o, at, : len(some)], taken[o, at, : len(some)] = some, 1.0
                run[o, at], of_run[o, r, k] = r, at
                at += 1

    def packed(leaf: Any) -> NDArray[Any]:
        array = np.asarray(leaf)
        if array.shape[:3] != mask.shape:
            return array
        flat = array.reshape(outputs, runs * checkpoints, *array.shape[3:])
        return flat[np.arange(outputs)[:, None, None], place]

    parts: Any = Parts(of_run, run)  # type: ignore[arg-type]  # of NumPy, as all leaves here
    return jax.tree.map(packed, data)._replace(mask=taken, parts=parts)
