"""Arrays of a batch are padded to one of few sizes, so that ladders of many lengths share a compiled program."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_DRAWS = 512  # number of draws that arrays are padded to; if there are more,
DRAWS_STEP = 4  # they are padded to it times a power of this
LEAST_PROBLEMS = 16  # number of problems that arrays are padded to, unless it is one;
LEAST_ROWS = 64  # number of rows; if there are more,
SIZE_STEP = 4  # both are padded to it times a power of this: few sizes, few programs
MOST_PADDING = 1 << 20
"""Rows of padding that all lanes together may have. By so many, fitting takes a second longer on a CPU, and compiling a
program takes longer than that; where there would be more, a fifth of a size is padding at most."""


def room(
    problems: int,
    rows: int,
    lanes: int = 1,
    least: tuple[int, int] = (LEAST_PROBLEMS, LEAST_ROWS),
    *,
    exact: bool = False,
) -> tuple[int, int]:
    """Numbers of problems and rows that arrays are padded to, so that most ladders share a program.

    Args:
        problems: How many there are; one stays one, since its lanes share its data.
        rows: How many each has.
        lanes: How many read them.
        least: The fewest problems and rows.
        exact: Whether what would be padded by much stays as it is: an accelerator's time goes with the rows it reads.
    """
    first = 1 if problems == 1 else least[0]
    return _size(problems, first, rows, exact=exact), _size(rows, least[1], lanes, exact=exact)


def padded(leaf: Any, *sizes: int) -> NDArray[Any]:
    """A leaf ``(problem, row, …)`` whose first axes are padded to ``sizes`` by copies of the last of each."""
    values = np.asarray(leaf)
    more = [(0, size - n) for size, n in zip(sizes, values.shape, strict=False)]
    return np.pad(values, more + [(0, 0)] * (values.ndim - len(more)), mode="edge")


def _size(n: int, least: int, each: int, *, exact: bool) -> int:
    """``n`` rounded up to one of few sizes; to one of more where padding, of which all take ``each``, would be much."""
    size = least
    while size < n:
        size *= SIZE_STEP
    if (size - n) * each <= MOST_PADDING:
        return size
    return n if exact else next_size(n)


def next_size(n: int, least: int = 1) -> int:
    """``n`` rounded up to 1, 5/4, 3/2 or 7/4 times a power of two, and to ``least``: at most a fifth is padding."""
    step = max(1 << max((n - 1).bit_length() - 3, 0), 1)
    return max(least, -(-n // step) * step)


def pad_draws(leaf: Any) -> NDArray[Any]:
    """Pad draws with 0 to one of a few sizes, so that a point fit and its bootstrap share a program."""
    size = LEAST_DRAWS
    while size < len(leaf):
        size *= DRAWS_STEP
    return np.pad(np.asarray(leaf), [(0, size - len(leaf)), (0, 0)])
