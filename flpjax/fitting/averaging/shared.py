"""Products of many vectors with few matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def times_matrices(vectors: Floats, matrices: Floats, index: NDArray[np.intp]) -> Floats:
    """``(lane, b)`` vectors ``(lane, a)`` times one matrix each ``(pair, a, b)``, which many lanes share."""
    if (np.diff(index) < 0).any():
        order = np.argsort(index, kind="stable")
        found = np.empty((len(vectors), matrices.shape[2]))
        found[order] = times_matrices(vectors[order], matrices, index[order])
        return found
    begins = np.flatnonzero(np.diff(index, prepend=-1))
    found = np.empty((len(vectors), matrices.shape[2]))
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(index)], strict=True):
        np.matmul(vectors[begin:end], matrices[index[begin]], out=found[begin:end])
    return found
