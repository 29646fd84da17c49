"""Tasks at chance on real ladders: from every state of a ladder, whether and how far on each left chance, how steeply.

All tasks of a ladder count, those that nobody would score, too: a hazard learned from tasks that emerge would be too
high. The test of chance is the package's own, so that what is learned is when that test turns.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks.calibration.scoring import Floats
from benchmarks.unseen.panel import GADRE
from benchmarks.unseen.tables import local
from flpjax import Runs, read_runs
from flpjax.ladder.at_chance import FEWEST, binomial_variance, tasks_at_chance
from flpjax.ladder.build import build_runs
from flpjax.ladder.known_tasks import known_task
from flpjax.ladder.tasks import Task

MEANS = ("avg17",)  # a mean of tasks is no task
RISES = np.geomspace(1e-3, 30.0, 61)  # share of the way to 1 per e-fold: from none to all at once
PYTHIA, STEPS = {"160m": 85056000, "410m": 302311424, "1.4b": 1208602624}, (3000, 43000, 103000, 143000)
PYTHIA_BATCH = 2097152  # tokens a step (Biderman et al. 2023)
PYTHIA_FILE = "pythia-lm-eval/{size}-5shot_step{step}.json"


class Wait(NamedTuple):
    """A task that was at chance in one state of a ladder.

    Attributes:
        experiment: Of the ladder.
        ladder: Its name.
        task: Its name.
        after: How far beyond that state it still was at chance, e-folds of loss or compute.
        before: How far beyond it first was not; infinite if it never left.
        end: How far the whole ladder reaches.
        rise: ``(rise,)`` log probability of scores beyond the onset at each of :data:`RISES`; 0 if it never left.
    """

    experiment: str
    ladder: str
    task: str
    after: float
    before: float
    end: float
    rise: Floats


def weights(waits: list[Wait]) -> Floats:
    """``(wait,)`` so that every task of an experiment counts once, whatever its states and sibling ladders."""
    counts = Counter((w.experiment, w.task) for w in waits)
    return np.array([1.0 / counts[w.experiment, w.task] for w in waits])


def all_waits(by: str) -> list[Wait]:
    """Of all ladders with scores.

    Args:
        by: What distances are of, ``"loss"`` or ``"compute"``.
    """
    found = []
    for name, (experiment, read) in LADDERS.items():
        runs = read()
        if by == "compute" or runs.domains:
            found += list(waits_of(runs, experiment, name, by))
    return found


def waits_of(runs: Runs, experiment: str, name: str, by: str) -> Iterator[Wait]:
    """Of every task and every state of a ladder from :data:`FEWEST` runs on, in the order of compute."""
    finals = replace(runs, held_out=np.zeros_like(runs.held_out)).finals()
    along = -np.log(finals.loss_of(finals.domains[0])) if by == "loss" else np.log(finals.flops)
    finals, along = finals.rows(np.isfinite(along)), along[np.isfinite(along)]
    order = np.argsort(finals.flops, kind="stable")
    place = np.argsort(order, kind="stable")
    edge = np.maximum.accumulate(along[order])
    states = range(FEWEST, len(finals) + 1)
    at_chance = {k: tasks_at_chance(finals.rows(place < k)) for k in states}
    for task in finals.tasks:
        there = [k for k in states if task.name in at_chance[k]]
        if not there or task.name in MEANS:
            continue
        last = there[-1]
        left = last < len(finals)
        before = edge[last] if left else np.inf
        after = edge[edge < before].max(initial=edge[0]) if left else edge[-1]
        rise = _rises(finals, task, along, 0.5 * (after + before)) if left else np.zeros(len(RISES))
        for k in there:
            start = edge[k - 1]
            if start == edge[-1] or start >= before:
                continue  # nothing came after that reached further
            yield Wait(
                experiment, name, task.name, max(after - start, 0.0), before - start, edge[-1] - start, rise
            )  # fmt: skip


def _rises(finals: Runs, task: Task, along: Floats, onset: float) -> Floats:
    """``(rise,)`` log probability of the scores beyond the onset, as if all of them told as much as one does."""
    score = finals.score_of(task.name)
    known = np.isfinite(score)
    below, beyond = known & (along <= onset), known & (along > onset)
    level = score[below].mean() if below.any() else task.chance
    gone = level - (1.0 - level) * np.expm1(-RISES[:, None] * (along[beyond] - onset))
    square = ((score[beyond] - gone) ** 2).mean(axis=1)
    noise = max(float(square.min()), binomial_variance(task))
    return np.asarray(-0.5 * (square - square.min()) / noise)


def pythia() -> Runs:
    """Checkpoints of three sizes as runs of their own: real results of lm-evaluation-harness, without losses."""
    places = [(size, step) for size in PYTHIA for step in STEPS]
    tables = [json.loads(local(PYTHIA_FILE.format(size=s, step=k)).read_text("utf-8"))["results"] for s, k in places]
    names = sorted(
        t for t in set.intersection(*map(set, tables)) if known_task(t).chance_known and "acc" in tables[0][t]
    )
    tasks = {}
    for name in names:
        share, error = (tables[0][name][key] for key in ("acc", "acc_stderr"))
        tasks[name] = replace(known_task(name), questions=round(share * (1.0 - share) / error**2) + 1)
    columns = {
        "run": np.array([f"{size}-{step}" for size, step in places], object),
        "params": np.array([float(PYTHIA[size]) for size, _ in places]),
        "tokens": np.array([float(step * PYTHIA_BATCH) for _, step in places]),
        **{f"score/{name}": np.array([t[name]["acc"] for t in tables]) for name in names},
    }
    return build_runs(columns, tasks=tasks, source="pythia")


LADDERS: Mapping[str, tuple[str, Callable[[], Runs]]] = {
    **{f"gadre2024-{corpus}": ("gadre2024", partial(read_runs, f"gadre2024-{corpus}")) for corpus in GADRE},
    "olmo-ladder-all": ("olmo", partial(read_runs, "olmo-ladder-all")),
    "ladder": ("ours", partial(read_runs, "ladder")),
    "pythia": ("pythia", pythia),
}
"""Name → experiment and reader, of all real ladders here whose runs differ in compute and have scores."""
