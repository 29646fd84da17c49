"""Runs without a final value of a loss or score, which fits leave out, and the reason that messages give for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from flpjax.errors import some_of
from flpjax.ladder.finals import last_measured
from flpjax.ladder.table import Runs

Kind = Literal["loss", "score"]
MOST_NAMED_RUNS = 8  # in one message


def without_final(runs: Runs, kind: Kind, name: str) -> dict[str, str]:
    """The runs that have no final value of one loss or score, each with the reason.

    Args:
        runs: The table.
        kind: Whether ``name`` is a loss or a score.
        name: The loss domain or the task.

    Raises:
        InputError: There is no such domain or task.
    """
    values = runs.loss_of(name) if kind == "loss" else runs.score_of(name)
    end = np.flatnonzero(runs.final)
    ends = runs.ends()
    final = ends.loss_of(name) if kind == "loss" else ends.score_of(name)
    progress = last_measured(runs.run, end, runs.progress, ~np.isnan(values)[:, None]).share[:, 0]
    column = f"{kind}/{name}"
    end_row = {ends.names[r]: i for i, r in enumerate(ends.run)}
    reasons = {}
    for run in runs.names:
        if run not in end_row:
            reasons[run] = "none of its rows is marked final"
        elif np.isnan(progress[end_row[run]]):
            reasons[run] = f"no value of {column}"
        elif np.isnan(final[end_row[run]]):
            at = np.floor(1000 * progress[end_row[run]]) / 10
            reasons[run] = f"its last {column} stands at {at:g}% of its tokens"
    return reasons


def runs_of_other_groups(runs: Runs, domain: str) -> frozenset[str]:
    """Of a table with groups, the runs of other groups than the loss ``domain``: they need no value of it."""
    if not runs.grouped:
        return frozenset()
    in_group = set(runs.run[np.isfinite(runs.loss_of(domain))])
    elsewhere = set(runs.run[np.isfinite(runs.loss).any(axis=1)]) - in_group
    return frozenset(runs.names[r] for r in elsewhere)


def reasons_in_words(reasons: Mapping[str, str]) -> str:
    """Runs grouped by reason, as text: ``'a', 'b' (no value of loss/c4); 'c' (its last loss/c4 …)``."""
    groups: dict[str, list[str]] = {}
    for run, why in reasons.items():
        groups.setdefault(why, []).append(f"'{run}'")
    return "; ".join(f"{some_of(names, MOST_NAMED_RUNS)} ({why})" for why, names in groups.items())


def final_value_rule(runs: Runs) -> str:
    """A sentence that says which values count as final, and how to change that."""
    return (
        f"a final value stands in the last {100 * runs.final_within:.3g}% of a run's tokens (final_within under "
        "[table] in a mapping file)"
    )
