"""Mixtures in per cent, in tokens or rounded, as shares that sum to 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flpjax.ladder.check import MIX_SLACK
from flpjax.readers.formats.records import Floats, RunRecords

ROUNDED = 0.005  # by which a weight of two decimals may be off
ROUNDING = "mixtures do not sum to 1, as rounded ones may, and are divided by their sum"
SAME = 0.02  # of per cent, or of the tokens of a run, by which a sum may be off


def shares(runs: Sequence[RunRecords]) -> tuple[list[RunRecords], list[str]]:
    """Runs whose mixtures, ``mix/<source>``, are shares wherever it is plain what they are; what was done, in words.

    What sums to 100 is per cent, what sums to a run's tokens counts tokens, and what is off 1 by no more than two
    decimals round is divided by its sum. Any other mixture stays as it is, to be refused with its row.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.columns if name.startswith("mix/")))
    if not names:
        return list(runs), []
    total = np.concatenate([_total(run, names) for run in runs])
    tokens = np.concatenate([run.column("tokens") for run in runs])
    kinds = {
        "mixtures stand in per cent, and are divided by their sum": np.abs(total / 100.0 - 1.0) <= SAME,
        "mixtures stand in tokens, and are divided by their sum": np.abs(
            total / np.where(tokens > 0, tokens, np.nan) - 1.0
        )
        <= SAME,
        ROUNDING: np.abs(total - 1.0) <= max(ROUNDED * len(names), MIX_SLACK),
    }
    how = next((how for how, rows in kinds.items() if rows.all()), None)
    if how is None or (how == ROUNDING and np.all(np.abs(total - 1.0) <= MIX_SLACK)):
        return list(runs), []
    found = [
        replace(run, columns={n: v / _total(run, names) if n in names else v for n, v in run.columns.items()})
        for run in runs
    ]
    return found, [how]


def _total(run: RunRecords, names: Sequence[str]) -> Floats:
    """``(row,)`` the sum of a mixture; NaN where none of it is known."""
    each = np.stack([run.column(name) for name in names])
    return np.where(np.isfinite(each).any(axis=0), np.nansum(each, axis=0), np.nan)
