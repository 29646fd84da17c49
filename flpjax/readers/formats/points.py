"""Scores that stand from 0 to 100, as fractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flpjax.errors import InputError, some_of
from flpjax.ladder.known_tasks import known_task
from flpjax.readers.formats.records import RunRecords

MOST_LISTED = 6
FULL = 100.0  # points
MANY_POINTS = 10.0  # that a model of more compute, or one that guesses, does not make less than one of


def fractions(runs: Sequence[RunRecords]) -> tuple[list[RunRecords], list[str]]:
    """Runs whose scores from 0 to 100, as a value above 1 shows, are fractions, with their standard errors; and words.

    Raises:
        InputError: A score stands in points in some runs, and as a fraction in others.
    """
    columns = dict.fromkeys(name for run in runs for name in run.columns if name.startswith("score/"))
    points = []
    for name in columns:
        values = np.concatenate([run.column(name) for run in runs])
        if np.nanmax(values, initial=0.0) > 1.0 and np.nanmax(values) <= FULL and np.nanmin(values) >= 0.0:
            points.append(name[6:])
            _refuse_mixed(runs, name)
    if not points:
        return list(runs), []
    scaled = {f"{kind}/{task}" for task in points for kind in ("score", "stderr")}
    found = [replace(run, columns={n: v / FULL if n in scaled else v for n, v in run.columns.items()}) for run in runs]
    return found, [f"scores of {some_of(points, MOST_LISTED)} stand from 0 to 100 and are divided by 100"]


def _refuse_mixed(runs: Sequence[RunRecords], name: str) -> None:
    """Refuse a score that stands in points in some runs, and as a fraction in others.

    It does where a run has at most 1 point of a task whose chance level is far more, or that a run of no more compute
    has made many points of.

    Raises:
        InputError: It does.
    """
    task = known_task(name[6:])
    sized = [(float(np.nanmax(run.column("flops"), initial=0.0)) or _nd(run), run.column(name)) for run in runs]
    best = [float(np.nanmax(score, initial=-np.inf)) for _, score in sized]
    for run, (size, _), most in zip(runs, sized, best, strict=True):
        rivals = [b for (other, _), b in zip(sized, best, strict=True) if other <= size]
        if 0.0 < most <= 1.0 and (FULL * task.chance > MANY_POINTS or max(rivals) > MANY_POINTS):
            row = int(np.nanargmax(run.column(name)))
            raise InputError(
                f"got {most:.6g}, where others have up to {max(best):.6g}: some stand in points, and some as fractions",
                where=f"{run.places[row]}, column '{name}'",
                remedy="Write all scores of a task in one unit",
            )


def _nd(run: RunRecords) -> float:
    """The largest N·D of a run, for comparing runs of which nobody gave FLOPs."""
    return float(np.nanmax(run.column("params") * run.column("tokens"), initial=0.0))
