"""Which runs have a final value, as a check and a review say it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flpjax.errors import count, some_of
from flpjax.ladder.joined import joined_in_words
from flpjax.ladder.table import Runs
from flpjax.ladder.unfinished import (
    MOST_NAMED_RUNS,
    final_value_rule,
    reasons_in_words,
    runs_of_other_groups,
    without_final,
)


def fitted_finals(runs: Runs, via: str | None = None) -> Runs:
    """The final rows that laws of compute are fitted to: those with a final loss, or score on a ladder without losses.

    Args:
        runs: The runs that a fit may see.
        via: The loss that must be final; None takes any.
    """
    finals = runs.finals()
    if not runs.domains:
        return finals
    loss = finals.loss if via is None else finals.loss_of(via)[:, None]
    return finals.rows(np.isfinite(loss).max(axis=1, initial=False))


def unfinished_warnings(runs: Runs, via: str | None) -> Iterator[str]:
    """Runs without a final value of a loss, each with the reason; or without a final score, on a ladder without losses.

    Args:
        runs: The runs that a fit may see.
        via: The loss that comes first.
    """
    unmarked = set(runs.names) - {runs.names[r] for r in runs.run[runs.final]}
    if unmarked:
        listing = ", ".join(n for n in runs.names if n in unmarked)
        yield f"no final checkpoint, and no part in the fit of compute → loss: {listing}"
    already_named: set[frozenset[str]] = {frozenset()}
    kind = "loss" if runs.domains else "score"
    names = runs.domains if runs.domains else runs.task_names
    for name in sorted(names, key=lambda n: n != via):
        lacking = without_final(runs, "loss" if runs.domains else "score", name)
        exempt = unmarked | (runs_of_other_groups(runs, name) if runs.domains else frozenset())
        reasons = {run: why for run, why in lacking.items() if run not in exempt}
        if frozenset(reasons) in already_named:  # the same runs lack several losses: once is enough
            continue
        already_named.add(frozenset(reasons))
        yield (
            f"{count(len(reasons), 'run')} of {len(runs.names)} without a final {kind} '{name}', and with no part in "
            f"its fit: {reasons_in_words(reasons)}; {final_value_rule(runs)}"
        )
    yield from _blank_ends(runs)


def _blank_ends(runs: Runs) -> Iterator[str]:
    """Runs whose end has no loss, where most runs have one: that is how a run looks that diverged."""
    end = np.flatnonzero(runs.final)
    for j, domain in enumerate(runs.domains):
        blank = np.isnan(runs.loss[end, j])
        late = blank & np.isfinite(runs.ends().loss[:, j])
        if late.any() and 2 * blank.sum() < len(end):
            names = [f"'{runs.names[r]}'" for r in runs.run[end[late]]]
            yield (
                f"{some_of(names, MOST_NAMED_RUNS)}: the last row has no loss '{domain}', unlike that of most runs; "
                "the last one measured before counts as final. Leave the run out (--exclude) if it diverged"
            )


def finals_notes(runs: Runs) -> Iterator[str]:
    """What was done to bring losses and scores of different rows together."""
    end = np.flatnonzero(runs.final)
    ends = runs.ends()
    before = ends.progress < runs.progress[end]
    if before.any():
        share = float((1.0 - ends.progress / runs.progress[end]).max())
        yield (
            f"{count(int(before.sum()), 'run')} with a last row that does not measure all: final values are the last "
            f"measured, up to {100 * share:.2g}% of a run's tokens before its end; {final_value_rule(runs)}"
        )
    joined = joined_in_words(runs)
    if joined is not None:
        yield joined
