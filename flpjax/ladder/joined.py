"""Losses where scores stand: evaluations that were logged in rows of their own, brought together."""

from __future__ import annotations

import numpy as np

from flpjax.errors import count, some_of
from flpjax.ladder.table import Floats, Runs

APART = 2.0
"""Largest ratio of the tokens of two measured losses between which a third is read off: a power law is a straight line
there to a thousandth."""
BEYOND = 0.1  # how far outside a run's losses one may be read off, as a share of tokens: as far as a final value
ROUNDING = 1e-9


def losses_at_scores(runs: Runs) -> Floats:
    """``(row, domain)`` the losses, with those filled in that rows with a score lack.

    A filled one lies on the straight line, in log tokens, between the two losses that the run measured before and
    after it, if these are no further apart than a factor of :data:`APART`. Up to :data:`BEYOND` past the last loss it
    lies on the line through the last two, or, further than they are apart, it is the last; so it is the first before
    that. All others stay NaN. Final losses are measured ones, whatever is filled here.
    """
    blank = np.isnan(runs.loss) & np.isfinite(runs.score).any(axis=1, keepdims=True)
    if not blank.any():
        return runs.loss
    loss = runs.loss.copy()
    log_tokens = np.log(runs.progress)
    for domain in np.flatnonzero(blank.any(axis=0)):
        for run in np.unique(runs.run[blank[:, domain]]):
            rows = np.flatnonzero(runs.run == run)
            lacking, known = rows[blank[rows, domain]], rows[np.isfinite(runs.loss[rows, domain])]
            loss[lacking, domain] = _on_the_line(log_tokens[lacking], log_tokens[known], runs.loss[known, domain])
    return loss


def joined_in_words(runs: Runs) -> str | None:
    """What :func:`losses_at_scores` filled in, or None."""
    filled = np.isnan(runs.loss) & np.isfinite(losses_at_scores(runs))
    if not filled.any():
        return None
    names = [f"'{d}'" for d, some in zip(runs.domains, filled.max(axis=0), strict=True) if some]
    rows = int(filled.any(axis=1).sum())
    return (
        f"{count(rows, 'row')} with a score and no loss {some_of(names)}: there it is read off the losses that the run "
        f"measured before and after, in log tokens, no further apart than a factor of {APART:g}"
    )


def _on_the_line(at: Floats, x: Floats, y: Floats) -> Floats:
    """Values at ``at``, by straight lines through ``(x, y)``, ``x`` rising; NaN too far from what was measured."""
    if not len(x):
        return np.full(len(at), np.nan)
    right = np.clip(np.searchsorted(x, at), min(1, len(x) - 1), len(x) - 1)
    left = np.maximum(right - 1, 0)
    gap = x[right] - x[left]
    slope = np.divide(y[right] - y[left], gap, out=np.zeros(len(at)), where=gap > 0)
    line = y[left] + slope * (at - x[left])
    past = np.maximum(at - x[-1], x[0] - at)
    hold = np.where(at > x[-1], y[-1], y[0])
    beyond = np.where((at > x[-1]) & (past <= gap + ROUNDING), line, hold)
    outside, near = past > 0, past <= -np.log1p(-BEYOND) + ROUNDING
    inside = np.where(gap <= np.log(APART), line, np.nan)
    return np.where(outside, np.where(near, beyond, np.nan), inside)
