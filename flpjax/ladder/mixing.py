"""Mixture weights of a table's rows: they sum to 1, and within a run they are what the table says they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.ladder.check import MIX_SLACK, Place
from flpjax.ladder.table import Floats

MixtureIs = Literal["constant", "current", "so far"]
SAME_WEIGHTS = 1e-3  # weights within a run that differ by less are rounded ones
ROUNDING = 1e-14  # of a sum of weights in float64


def mixture(mix: Floats, sources: Sequence[str], order: NDArray[Any], place: Place) -> Floats:
    """The weights ``(row, source)`` scaled to sum to 1; refused if they are further off than by rounding."""
    if not sources:
        return mix
    total = mix.sum(1)
    for i in np.flatnonzero(np.abs(total - 1.0) > MIX_SLACK)[:1]:
        raise InputError(
            f"the mixture weights sum to {total[i]:.4g}, not to 1",
            where=place.at(order[i], f"mix/{sources[0]}"),
            remedy=f"Correct the weights of {', '.join(sources)} in that row",
        )
    total[np.abs(total - 1.0) < ROUNDING] = 1.0  # scaled before: written and read again they are the same
    return mix / total[:, None]


def check_constant_mixture(
    mix: Floats, run: NDArray[np.int64], names: Sequence[str], sources: Sequence[str], order: NDArray[Any], place: Place
) -> None:
    """Refuse a mixture that changes within a run: whose weights a row's are, the table has to say.

    Raises:
        InputError: One does; the message names the run, the row and the first weight that differs.
    """
    same = run[1:] == run[:-1]
    first = np.searchsorted(run, run)  # also a slow drift is a change
    moved = np.abs(mix - mix[first]) > SAME_WEIGHTS
    for i in np.flatnonzero(moved.any(axis=1) & np.append(False, same))[:1]:
        source = int(np.flatnonzero(moved[i])[0])
        raise InputError(
            f"run '{names[run[i]]}' changes its mixture: {sources[source]} is {mix[i, source]:.3g} here and "
            f"{mix[first[i], source]:.3g} at its first checkpoint",
            where=place.at(order[i], f"mix/{sources[source]}"),
            remedy='Write mixture = "current" under [table] in a mapping file if weights are those of the stage that a '
            'row stands in, since the row before: they are then accumulated over tokens. Write mixture = "so far" if '
            "they are those of all tokens up to the row. Or name each stage as a run of its own",
        )


def mixture_so_far(mix: Floats, run: NDArray[np.int64], tokens: Floats) -> Floats:
    """``(row, source)`` weights of all tokens up to each row, from those of the tokens since the row before.

    Args:
        mix: ``(row, source)`` weights of each stage, rows sorted by run and tokens.
        run: ``(row,)``.
        tokens: ``(row,)`` so far.
    """
    begins = np.append(True, run[1:] != run[:-1])
    since = np.where(begins, tokens, np.diff(tokens, prepend=0.0))
    so_far = np.cumsum(mix * since[:, None], axis=0)
    first = np.searchsorted(run, run)
    before = np.where((first > 0)[:, None], so_far[first - 1], 0.0)  # of the runs above
    weights = np.maximum(so_far - before, 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
