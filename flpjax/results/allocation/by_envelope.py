"""N* by the envelope of training curves: beside a law's, or alone, where final values can't carry a law.

Curves of one D/N still cross: at a given compute a large model has just begun and a small one is done. But before a
run's end its learning rate has not decayed, and a law that is fitted to checkpoints takes that for the worth of more
tokens (on simulated runs whose losses end 2 % lower for it, its N* is .6 e-folds off, ten times its interval). The
envelope compares runs that lack about as much, so that it is the one that is asked; the law only says what losses are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jax import Array

from flpjax.errors import InputError
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.draws import Draws
from flpjax.ladder.table import Runs
from flpjax.numerics import generator
from flpjax.results.allocation.approach import MOST_LOST, Approach, Span, middle
from flpjax.results.allocation.envelope import Curves, curves_of, ended_by_runs, envelope, envelope_line
from flpjax.results.allocation.law_approach import FIRST_CORNER, law_of

ENVELOPE_SALT = 12
ENVELOPES = 100  # resamples of the envelope, each a loop on the host; its intervals are rough anyway
BOUNDED = (
    "; but each size is lowest until its run ends, and none takes over from another before that: trained for longer, "
    "smaller models may do better, and N* be lower"
)
FIRST = 0.2  # of a run's tokens: before it losses are of the warm-up
CHECKPOINTS = 8  # of a run, evenly in log D, that a law is fitted to where final values carry none


def by_envelope(runs: Runs, domain: str, span: Span, key: Array, draws: int = ENVELOPES) -> Approach | None:
    """The envelope of training curves (approach 1); None if no curves cross."""
    curves = curves_of(runs, domain)
    if curves is None:
        return None
    count = len(curves.run)
    counts = generator(key, ENVELOPE_SALT).multinomial(count, np.full(count, 1.0 / count), draws)
    lines = envelope_line(curves, counts.astype(float), span.log_flops)
    if np.isfinite(lines).any(axis=1).mean() < 1.0 - MOST_LOST:
        return None
    why = "the lowest of the training curves at each compute (approach 1), where learning rates have not decayed yet"
    why += BOUNDED if ended_by_runs(curves) else ""
    return span.approach("envelope", lines, why)


def beside_the_law(law: Approach, along: Approach) -> str:
    """By how much the envelope's N* differs from the law's, and why."""
    gap = float(np.exp(middle(along.log_params)[-1] - middle(law.log_params)[-1]) - 1.0)
    return (
        f"At {np.exp(law.log_flops[-1]):.3g} FLOPs the envelope puts N* {abs(gap):.0%} "
        f"{'above' if gap > 0 else 'below'} the law: before a run's end learning rates have not decayed, which favours "
        "sizes whose runs end there, and few sizes bound it."
    )


def without_a_law(refused: InputError, law: Approach, along: Approach) -> str:
    """Why the envelope stands alone, and what a law of checkpoints would say."""
    gap = float(np.exp(middle(law.log_params)[-1] - middle(along.log_params)[-1]) - 1.0)
    return (
        f"No law stands beside it: {refused.what}. One that is fitted to checkpoints along training says what losses "
        f"are; its own N*, {abs(gap):.0%} {'above' if gap > 0 else 'below'} at {np.exp(law.log_flops[-1]):.3g} FLOPs, "
        "takes learning rates that have not decayed for the worth of tokens."
    )


def cross(curves: Curves | None) -> bool:
    """Whether the lowest curve is now of one size, now of another."""
    return curves is not None and len(np.unique(envelope(curves).log_params)) > 1


def law_of_checkpoints(runs: Runs, domain: str, key: Array, draws: int) -> Draws:
    """Chinchilla's law of checkpoints along training, each resampled as if it were a run: it says what losses are."""
    rows: list[int] = []
    for i in range(len(runs.names)):
        own = np.flatnonzero(runs.run == i)
        share = runs.tokens[own] / runs.tokens[own[-1]]
        wanted = np.geomspace(FIRST, 1.0, CHECKPOINTS)
        rows += own[np.unique(np.abs(np.log(share[:, None] / wanted)).argmin(axis=0))].tolist()
    keep = np.zeros(len(runs), bool)
    keep[rows] = True
    few = runs.rows(keep)
    names = tuple(f"{few.names[run]}, checkpoint {i}" for i, run in enumerate(few.run))
    apart = replace(
        few, names=names, run=np.arange(len(few)), final=np.ones(len(few), bool), held_out=np.zeros(len(few), bool),
        final_average=1,
    )  # fmt: skip
    robust = law_of(apart, domain, FIRST_CORNER)
    return bootstrap(robust, apart, key, draws=draws, strict=False)
