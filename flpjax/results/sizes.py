"""The runs of a table by their size: a hundred runs in a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

MOST_SIZES = 12  # lines that are read at a glance
RATIOS = (1.02, 1.1, 1.5, 2.0, 4.0, 10.0, 100.0, float("inf"))
"""Of the largest to the smallest N within one size: the first that leaves few enough sizes."""


def by_size(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of runs, as :class:`flpjax.results.check.Check` has them, counted by the number of their parameters.

    Args:
        runs: One row a run, with ``params``, ``tokens``, ``flops``, ``checkpoints``, ``final_loss``, ``finished`` and
            ``held_out``.

    Returns:
        One row a size, the smallest first: how many runs there are, and the lowest and the highest of what they have;
        None where nothing is known.
    """
    ordered = sorted(runs, key=lambda r: r["params"])
    for ratio in RATIOS:
        starts = _starts([r["params"] for r in ordered], ratio)
        if len(starts) <= MOST_SIZES:
            break
    return [_size(ordered[a:b]) for a, b in pairwise([*starts, len(ordered)])]


def _starts(params: Sequence[float], ratio: float) -> list[int]:
    """Where the sizes begin among sorted ``params``."""
    starts: list[int] = []
    for i, n in enumerate(params):
        if not starts or n > ratio * params[starts[-1]]:
            starts.append(i)
    return starts


def _size(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def span(name: str) -> list[float] | None:
        values = [r[name] for r in runs if r[name] is not None and np.isfinite(r[name])]
        return [min(values), max(values)] if values else None

    return {
        "runs": len(runs),
        **{name: span(name) for name in ("params", "tokens", "flops", "final_loss")},
        "checkpoints": sum(r["checkpoints"] for r in runs),
        "held_out": sum(r["held_out"] for r in runs),
        "unfinished": sum(not r["finished"] for r in runs),
    }
