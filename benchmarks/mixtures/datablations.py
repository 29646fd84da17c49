"""Python mixed into C4 at 4.2B parameters: which share the scores of 19 tasks call for, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from benchmarks.mixtures.laws import Floats, spearman
from benchmarks.report import percent, show
from flpjax import FP, Runs, point, read_runs
from flpjax.ladder.features import Features
from flpjax.laws.law import Law
from flpjax.laws.mixture_loss import M2, M3
from flpjax.readers.csv_file import read_csv
from flpjax.readers.datablations import CODE, SEEDS, TASKS
from flpjax.readers.public import fetch
from flpjax.results.forecast import predict

SOURCES = ("c4", "python")
# M3 of one task can only rise or only fall with a share; M2 can have a best share inside, which its floor has a say in.
FORMS: dict[str, Law] = {"M3": M3(), "M2, floor .01": M2(floor=0.01), "M2, floor .1": M2(floor=0.1)}
AVERAGES = {"all 19 tasks": "Average", "without bAbI": "Average (without bAbI)"}  # in the authors' table
PUBLISHED = {"all 19 tasks": 0.5, "without bAbI": 0.1}
STEP = 0.01
RANDOM = {ours: level for ours, level, _ in TASKS.values()}  # that the authors rescale with


def code_runs() -> Runs:
    """The ten 4.2B runs, with the two sources that they have."""
    runs = read_runs("datablations-code").only(["4.2B-*"])
    keep = [runs.sources.index(s) for s in SOURCES]
    return replace(runs, sources=SOURCES, mix=runs.mix[:, keep])


def rescaled(runs: Runs, score: Floats, tasks: str) -> Floats:
    """``(row,)`` the authors' average of scores ``(row, task)``: each rescaled to random = 0 and perfect = 1."""
    random = np.array([RANDOM[t] for t in runs.task_names])
    counts = np.array([tasks == "all 19 tasks" or t != "babi" for t in runs.task_names])
    return np.asarray(((score - random) / (1.0 - random))[:, counts].mean(axis=1))


def seed_errors(runs: Runs, tasks: str) -> Floats:
    """``(run,)`` standard error of that average over training seeds, from the published standard deviations."""
    cells = read_csv(fetch("datablations") / CODE).cells
    keys = zip(cells["model"], cells["text_source"], cells["task"], cells["python_pct"], cells["std"], strict=True)
    sd = {float(pct): float(s) / 100.0 for model, text, task, pct, s in keys if (model, text) == ("4.2B", "C4")
          and task == AVERAGES[tasks]}  # fmt: skip
    return np.array([sd[round(100.0 * share)] for share in runs.mix[:, 1]]) / np.sqrt(SEEDS - 1)


def measured(runs: Runs, tasks: str) -> dict[str, Any]:
    """The averages, the best share among the ten, and those less than two standard errors below it."""
    python, average, error = runs.mix[:, 1], rescaled(runs, runs.score, tasks), seed_errors(runs, tasks)
    best = int(average.argmax())
    z = (average[best] - average) / np.sqrt(error**2 + error[best] ** 2)
    return {
        "python": python.tolist(),
        "average": average.tolist(),
        "stderr": error.tolist(),
        "best_share": float(python[best]),
        "within_2_errors": [float(p) for p, far in zip(python, z, strict=True) if far < 2.0],
    }


def by_form(runs: Runs, form: Law) -> dict[str, dict[str, Any]]:
    """Tasks → the best share by the law on a grid within those tried, and how far the law misses the ten averages.

    One run in ten is left out in turn, as well, and its average predicted. A task whose fit failed is named, and the
    average that it belongs to has no figures.
    """
    grid = np.arange(0.0, runs.mix[:, 1].max() + STEP / 2, STEP)
    curve, at_runs = _scores(runs, form, grid), _scores(runs, form, runs.mix[:, 1])
    left_out = np.full_like(runs.score, np.nan)
    for i, name in enumerate(runs.names):
        left_out[runs.run == i] = _scores(runs.without([name]), form, runs.mix[runs.run == i, 1])
    failed = [t for j, t in enumerate(runs.task_names) if np.isnan(curve[:, j]).any()]
    found: dict[str, dict[str, Any]] = {}
    for tasks, published in PUBLISHED.items():
        average, truth = rescaled(runs, curve, tasks), rescaled(runs, runs.score, tasks)
        there = bool(np.isfinite(average).all())
        loses = average.max() - average[np.abs(grid - published).argmin()]
        found[tasks] = {
            "best_share": float(grid[average.argmax()]) if there else None,
            "published_share_loses": float(loses) if there else None,
            "rms": _rms(rescaled(runs, at_runs, tasks) - truth),
            "rms_left_out": _rms(rescaled(runs, left_out, tasks) - truth),
            "failed": [t for t in failed if tasks == "all 19 tasks" or t != "babi"],
        }
    return found


def _rms(values: Floats) -> float | None:
    return float(np.sqrt(np.mean(values**2))) if np.isfinite(values).all() else None


def _scores(runs: Runs, form: Law, python: Floats) -> Floats:
    """``(share, task)`` the fitted scores, NaN where a fit failed."""
    draws = point(FP(form, above_chance=None), runs, jax.random.key(0), strict=False)
    mean = {name: np.full(len(python), float(np.mean(leaf))) for name, leaf in runs.law_inputs.items() if name != "mix"}
    x = Features({**mean, "mix": np.stack([1.0 - python, python], axis=1)})
    scores = np.full((len(python), len(runs.tasks)), np.nan)
    known = [runs.task_names.index(t) for t in draws.model.tasks]
    scores[:, known] = predict(draws.model, draws.params, x, None).score[0]
    return scores


def by_task(runs: Runs) -> dict[str, dict[str, float | None]]:
    """Task → how its score goes with the share of Python, and how large that is beside the scatter of seeds."""
    python = runs.mix[:, 1]
    return {
        t: {
            "spearman_with_python": spearman(python, runs.score[:, j]),
            "best_share": float(python[runs.score[:, j].argmax()]),
            "range_over_stderr": float(np.ptp(runs.score[:, j]) / np.mean(runs.stderr[:, j])),
        }
        for j, t in enumerate(runs.task_names)
    }


def datablations() -> dict[str, Any]:
    """Run, print and return everything about this ladder."""
    runs = code_runs()
    seen = {tasks: measured(runs, tasks) for tasks in PUBLISHED}
    laws = {name: by_form(runs, form) for name, form in FORMS.items()}
    show(
        "Python in C4, 4.2B: the share that is best for the average score",
        ("tasks", "by", "best, %", "less than 2 s.e. below, %", "misfit, points", "of runs left out", "failed tasks"),
        _rows(seen, laws),
        "Published: 50 % for all tasks, 10 % without bAbI. Misfits are root mean squares over ten runs; the mean "
        "standard error over seeds is "
        + " and ".join(f"{100.0 * np.mean(found['stderr']):.1f}" for found in seen.values())
        + " points.",
    )
    return {"measured": seen, "laws": laws, "tasks": by_task(runs), "published": PUBLISHED}


def _rows(seen: Mapping[str, Any], laws: Mapping[str, Any]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for tasks, found in seen.items():
        near = ", ".join(f"{100.0 * share:.0f}" for share in found["within_2_errors"])
        rows.append((tasks, "measured", percent(found["best_share"], 0), near, None, None, None))
        for name, law in laws.items():
            f = law[tasks]
            told = (percent(f["best_share"], 0), None, percent(f["rms"]), percent(f["rms_left_out"]), len(f["failed"]))
            rows.append((tasks, name, *told))
    return rows
