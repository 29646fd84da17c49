"""Which method works on a table where another one does not: what an error may send to without leading in a circle."""

from __future__ import annotations

import numpy as np

from flpjax.errors import count
from flpjax.ladder.select import Selection
from flpjax.ladder.table import Runs

STRAIGHT_RUNS = 3  # one more than FP's law has parameters
ABOVE_CHANCE = 0.05


def without_losses(runs: Runs) -> str:
    """What to do where a method goes through a loss and the table has none."""
    if not runs.tasks:
        return "add losses or scores: there is nothing to forecast"
    emerged = runs_above_chance(runs)
    if emerged >= STRAIGHT_RUNS:
        return "the method 'fp' goes straight from compute to the score"
    return (
        f"add losses: without, a law needs a task with {STRAIGHT_RUNS} runs that end above chance, and here "
        f"{count(emerged, 'run')} at most {'does' if emerged == 1 else 'do'}; 'flat', the mean of the runs, is left"
    )


def without_scores(runs: Runs) -> str:
    """What to do where a method forecasts scores and the table has none."""
    if not runs.domains:
        return "add losses or scores: there is nothing to forecast"
    return "add them; or forecast the losses, with 'flp' or 'chinchilla+sigmoid'"


def not_emerged(runs: Runs) -> str:
    """What to do where too few runs end above chance for a law from compute to a score."""
    larger = "Train larger runs, or score an easier metric"
    if not runs.domains:
        return f"{larger}; 'flat', the mean of the runs, is left"
    loss = runs.loss_of(runs.general_domains[0])
    kept = Selection().apply(runs, np.repeat(loss[:, None], len(runs.tasks), axis=1)).keep
    if any(len(np.unique(runs.run[rows])) > 1 for rows in kept.T):
        return "FLP uses intermediate checkpoints too: try the method 'flp'"
    return f"{larger}; losses can be forecast, with 'flp'"


def without_mixtures(runs: Runs) -> str:
    """The name of a method that looks at no mixture, and can forecast from this table."""
    if runs.domains:
        return "'flp'"
    return "'fp'" if runs_above_chance(runs) >= STRAIGHT_RUNS else "'flat'"


def runs_above_chance(runs: Runs) -> int:
    """How many runs end above chance, in the task where most do."""
    finals = runs.finals()
    floor = np.array([t.chance for t in runs.tasks]) + ABOVE_CHANCE
    return int((np.where(np.isfinite(finals.score), finals.score, -np.inf) >= floor).sum(axis=0).max(initial=0))
