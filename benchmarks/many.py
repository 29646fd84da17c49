"""Many simulated ladders, each with a truth and noise of its own, and one without any noise, which nobody measures."""

from __future__ import annotations

import numpy as np

from flpjax import Runs
from flpjax.ladder.build import build_runs
from flpjax.ladder.simulate import DOMAINS, LADDER, TARGETS, TASKS, Truth, size_columns
from flpjax.ladder.simulate_noise import measure
from flpjax.ladder.tasks import Task

CHECKPOINTS = 30
FEWEST, EMERGING = 8, "0.2B"  # runs of a ladder; the size at whose loss each task is above chance
QUESTIONS = (500, 20_000)
DEGENERATE = "degenerate"


def ladders(count: int, tasks: int, degenerate: bool) -> dict[str, Runs]:
    """By name: so many ladders of 8 to 12 runs and of so many tasks, and maybe a degenerate one more."""
    found = {f"ladder {seed}": ladder(seed, tasks) for seed in range(count)}
    return found | ({DEGENERATE: ladder(count, tasks, noise=0.0)} if degenerate else {})


def ladder(seed: int, tasks: int, noise: float = 1.0) -> Runs:
    """Laws about those of :func:`flpjax.simulate_ladder`; tasks emerge before the size :data:`EMERGING`."""
    rng = np.random.default_rng(seed)
    c_n, alpha_n = np.array(list(DOMAINS.values())).T
    c_n, alpha_n = (
        c_n * np.exp(0.2 * rng.standard_normal(len(c_n))),
        alpha_n * np.exp(0.1 * rng.standard_normal(len(c_n))),
    )
    slopes = np.array([slope for _, slope, _ in TASKS.values()])
    w1 = slopes[np.arange(tasks) % len(TASKS)] * np.exp(0.2 * rng.standard_normal(tasks))
    small = size_columns(EMERGING, np.ones(1))["flops"]
    threshold = (small / c_n[0]) ** alpha_n[0] + rng.uniform(0.0, 0.2, tasks)
    chance = 0.25 * (rng.uniform(size=tasks) < 0.5)
    questions = np.exp(rng.uniform(np.log(QUESTIONS[0]), np.log(QUESTIONS[1]), tasks)).round()
    facts = tuple(
        Task(f"task {i + 1}", float(c), int(q) if noise else None)
        for i, (c, q) in enumerate(zip(chance, questions, strict=True))
    )
    truth = Truth(
        tuple(DOMAINS),
        c_n,
        alpha_n,
        facts,
        chance - w1 * threshold,
        w1,
        threshold,
    )
    sizes = [s for s in LADDER if s not in TARGETS][rng.integers(0, 12 - FEWEST + 1) :]
    trained = np.arange(1, CHECKPOINTS + 1) / CHECKPOINTS
    parts = []
    for size in sizes:
        compute = size_columns(size, trained)
        general = np.arange(len(DOMAINS)) == 0
        seen = measure(
            truth.loss(compute["flops"][-1]),
            trained,
            general.astype(float),
            truth.domains,
            facts,
            lambda loss: truth.score_at(loss[:, 0]),
            rng,
            noise,
        )
        parts.append({"run": np.full(CHECKPOINTS, size, object), **compute, "final": trained == 1.0, **seen})
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return build_runs(columns, tasks={t.name: t for t in facts}, source=f"ladder {seed}")
