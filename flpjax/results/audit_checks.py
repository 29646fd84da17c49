"""What a review says of values that are likely wrong, and of intervals too wide to be of use."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flpjax.ladder.audit.audit import audit
from flpjax.ladder.audit.fault import Kind, listed
from flpjax.ladder.table import Runs
from flpjax.results.forecast import Forecast
from flpjax.results.verdicts import Finding, Verdict

SOUND = {
    Kind.UNITS: "N, D, FLOPs and losses are those of language models",
    Kind.RUNS: "every run belongs to the others",
    Kind.EVALUATIONS: "no evaluation contradicts its neighbours",
    Kind.TRENDS: "losses fall and scores rise with compute",
}
WIDE, TOO_WIDE = 1.5, 4.0  # upper over lower bound of a loss: a ladder spans about 2
SCORE_WIDE = 0.8  # of the way from chance to 1
MOST_LOSS = 1e3  # nats; no bound above it means anything


def check_audit(training: Runs) -> Iterator[Finding]:
    """One finding for each kind of what is likely wrong in the table."""
    faults = audit(training)
    for kind in Kind:
        own = [f for f in faults if f.kind == kind]
        if not own:
            yield Finding(kind.value, Verdict.PASS, SOUND[kind])
            continue
        verdict = Verdict.FAIL if any(f.grave for f in own) else Verdict.REVIEW
        yield Finding(kind.value, verdict, listed([f.what for f in own]), own[0].remedy)


def check_widths(ahead: Forecast, training: Runs) -> Iterator[Finding]:
    """Intervals of targets are narrow enough to say something."""
    chance = {t.name: t.chance for t in training.tasks}
    wide, absurd = [], False
    for i, target in enumerate(ahead.targets):
        for name, v in ahead.loss[i].items():
            bounds = np.array([v.lower, v.median, v.upper])
            ratio = v.upper / v.lower if v.lower > 0 else np.inf
            if not np.isfinite(bounds).all() or v.upper > MOST_LOSS or ratio > WIDE:
                absurd |= not np.isfinite(ratio) or ratio > TOO_WIDE or v.upper > MOST_LOSS
                wide.append(f"'loss/{name}' of '{target.name}' ({v.lower:.3g} to {v.upper:.3g})")
        for name, v in ahead.score[i].items():
            floor = chance.get(name, 0.0)
            if not v.upper - max(v.lower, floor) < SCORE_WIDE * (1.0 - floor):
                wide.append(f"'{name}' of '{target.name}' ({100 * v.lower:.0f} to {100 * v.upper:.0f} %)")
    if not wide:
        yield Finding(
            "interval widths", Verdict.PASS, f"losses within {WIDE:g} ×, scores within {SCORE_WIDE:.0%} of their scale"
        )
        return
    remedy = "So wide an interval says nothing: look for a run that went wrong, or train a larger rung"
    yield Finding("interval widths", Verdict.FAIL if absurd else Verdict.REVIEW, listed(wide), remedy)
