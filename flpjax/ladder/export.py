"""A table of runs back to canonical columns, to save it or to look at it in any data frame."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.grouped import joined_groups
from flpjax.ladder.table import Runs


def columns_of(runs: Runs) -> dict[str, NDArray[Any]]:
    """Canonical columns ``(row,)``; columns in which nothing was measured are left out.

    Reading them back gives the same runs, apart from the facts about tasks and features, which a mapping file holds.
    """
    columns: dict[str, NDArray[Any]] = {
        "run": np.array(runs.names, object)[runs.run],
        "params": runs.params,
        "tokens": runs.tokens,
        "flops": runs.flops,
        "final": runs.final,
        "held_out": runs.held_out[runs.run],
        "step": runs.step,
        "train_loss": runs.train_loss,
    }
    columns |= joined_groups(runs) or {f"loss/{d}": runs.loss[:, i] for i, d in enumerate(runs.domains)}
    columns |= {f"score/{t}": runs.score[:, i] for i, t in enumerate(runs.task_names)}
    columns |= {f"stderr/{t}": runs.stderr[:, i] for i, t in enumerate(runs.task_names)}
    columns |= {f"mix/{s}": runs.mix[:, i] for i, s in enumerate(runs.sources)}
    columns |= {f"x/{f.name}": runs.extra[:, i] for i, f in enumerate(runs.extra_features)}
    return {n: v for n, v in columns.items() if v.dtype != np.float64 or np.isfinite(v).any()}


def csv_of(runs: Runs) -> str:
    """Canonical CSV text; what was not measured is blank, numbers keep every digit."""
    columns = columns_of(runs)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*(v.tolist() for v in columns.values()), strict=True):
        writer.writerow(["" if v != v else str(v).lower() if isinstance(v, bool) else v for v in row])
    return text.getvalue()
