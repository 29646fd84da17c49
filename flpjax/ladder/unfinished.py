"""Runs without a final value, and why they have none: what a fit leaves out is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from flpjax.errors import some_of
from flpjax.ladder.finals import last_measured
from flpjax.ladder.table import Runs

Kind = Literal["loss", "score"]
NAMED = 8  # runs that a message names


def without_final(runs: Runs, kind: Kind, name: str) -> dict[str, str]:
    """The runs that have no final value of one loss or score, each with the reason.

    Args:
        runs: The table.
        kind: Which of the two.
        name: The loss domain or the task.

    Raises:
        InputError: There is no such domain or task.
    """
    values = runs.loss_of(name) if kind == "loss" else runs.score_of(name)
    end = np.flatnonzero(runs.final)
    ends = runs.ends()
    final = ends.loss_of(name) if kind == "loss" else ends.score_of(name)
    share = last_measured(runs.run, end, runs.progress, ~np.isnan(values)[:, None]).share[:, 0]
    column = f"{kind}/{name}"
    place = {ends.names[r]: i for i, r in enumerate(ends.run)}
    reasons = {}
    for run in runs.names:
        if run not in place:
            reasons[run] = "none of its rows is marked final"
        elif np.isnan(share[place[run]]):
            reasons[run] = f"no value of {column}"
        elif np.isnan(final[place[run]]):
            at = np.floor(1000 * share[place[run]]) / 10
            reasons[run] = f"its last {column} stands at {at:g}% of its tokens"
    return reasons


def of_other_groups(runs: Runs, domain: str) -> frozenset[str]:
    """The runs that are of another group than a loss: that they have no value of it is no lack."""
    if not runs.grouped:
        return frozenset()
    own = set(runs.run[np.isfinite(runs.loss_of(domain))])
    others = set(runs.run[np.isfinite(runs.loss).any(axis=1)]) - own
    return frozenset(runs.names[r] for r in others)


def listed(reasons: Mapping[str, str]) -> str:
    """``'a', 'b' (no value of loss/c4); 'c' (its last …)``: runs by reason."""
    groups: dict[str, list[str]] = {}
    for run, why in reasons.items():
        groups.setdefault(why, []).append(f"'{run}'")
    return "; ".join(f"{some_of(names, NAMED)} ({why})" for why, names in groups.items())


def distance_in_words(runs: Runs) -> str:
    """What counts as final, and how to change it."""
    return (
        f"a final value stands in the last {100 * runs.final_within:.3g}% of a run's tokens (final_within under "
        "[table] in a mapping file)"
    )
