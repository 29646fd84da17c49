"""A ladder made with NumPy whose scores are known formulas of its domain losses."""

import numpy as np

from flpjax.ladder.build import build_runs
from flpjax.ladder.select import Selection
from flpjax.ladder.tasks import Task

DOMAINS = ("web", "code", "math", "books", "news")
ALL = Selection(improving=False, above_chance=None, warmup=0.0)
SIZES, MIXES, STEPS, OUT = 6, 5, 3, 5  # OUT: runs of the largest size, held out
KNOT = 2.35


def truths(loss):
    """Scores ``(task, row)`` without noise at losses ``(row, domain)``."""
    code, math = loss[:, 1], loss[:, 2]
    return {
        "straight": 0.5 - 0.30 * (code - 2.5) - 0.20 * (math - 2.5),
        "saturating": 0.25 + 0.65 / (1.0 + np.exp(5.0 * (code - 2.3) + 2.0 * (math - 2.5))),
        "threshold": 0.20 + 0.60 * np.maximum(0.0, KNOT - code),
    }


def ladder(seed=5, noise=0.004, targets=0.0):
    """30 runs of 6 sizes and 5 mixtures, the largest size held out; ``targets`` is added to its scores."""
    rng = np.random.default_rng(seed)
    n = SIZES * MIXES
    level = np.repeat(np.arange(SIZES), MIXES)
    ends = 2.75 - 0.16 * level[:, None] + 0.12 * rng.standard_normal((n, len(DOMAINS)))
    loss = (ends[:, None, :] + np.array([0.25, 0.1, 0.0])[None, :, None]).reshape(-1, len(DOMAINS))
    run = np.repeat(np.arange(n), STEPS)
    params = 1e8 * 2.0 ** level[run]
    held = level[run] == SIZES - 1
    scores = {
        task: np.clip(y + noise * (rng.standard_normal(len(run)) + rng.standard_normal(n)[run]), 0.0, 1.0)
        for task, y in truths(loss).items()
    }
    columns = {
        "run": np.array([f"r{i:02}" for i in run], object),
        "params": params,
        "tokens": 20.0 * params * np.tile(np.arange(1, STEPS + 1) / STEPS, n),
        "held_out": held,
        **{f"loss/{d}": loss[:, i] for i, d in enumerate(DOMAINS)},
        **{f"score/{t}": np.where(held, np.clip(y + targets, 0.0, 1.0), y) for t, y in scores.items()},
    }
    chance = {"straight": 0.0, "saturating": 0.25, "threshold": 0.0}
    return build_runs(columns, tasks={t: Task(t, chance=c) for t, c in chance.items()}, source="by hand")


def losses(runs):
    return np.stack([runs.loss_of(d) for d in DOMAINS], axis=1)
