"""The loop closed (§6.1): shares of code proposed before any run was trained at them, and what those runs scored."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.ladders import SAME, grid, of_size, proposed, shares
from benchmarks.report import percent, show
from flpjax import Runs, datasets

MEAN, OUTSIDE = "mean", "-outside"
BOUNDS = ("lower", "upper")


class Scored(NamedTuple):
    """Scores and their standard errors, which are those of the questions sampled: seeds differ besides."""

    score: NDArray[np.float64]  # (task,)
    error: NDArray[np.float64]

    def of(self, tasks: list[int]) -> tuple[float, float]:
        """The mean of tasks, whose questions have nothing to do with each other."""
        return float(self.score[tasks].mean()), float(np.sqrt((self.error[tasks] ** 2).sum()) / len(tasks))


def proposals_of(runs: Runs) -> dict[str, Any] | None:
    """What was proposed from this ladder; None if the table is not the one that comes with flpjax."""
    made = datasets.proposals()
    return made if set(made["fitted"]) == set(runs.training().names) else None


def registered(runs: Runs, made: dict[str, Any], size: str) -> list[dict[str, Any]]:
    """Each optimum proposed: what was forecast, what the runs at that share scored, and what the six ratios did.

    Optima that agree share runs; the score is the mean over the runs at the share.
    """
    own = of_ratios(runs, size)
    runs = runs.only([name for name in proposed(runs) if name in of_size(runs, size)])
    rows = []
    for optimum in made["optima"]:
        there = [name for name, s in zip(runs.names, shares(runs), strict=True) if abs(s - optimum["code"]) < SAME]
        if not there:
            continue
        goal = optimum["for"].removesuffix(OUTSIDE)
        tasks = list(range(len(runs.task_names))) if goal == MEAN else [runs.task_names.index(goal)]
        score, error = _mean(runs.only(there)).of(tasks)
        ratios = {ratio: found.of(tasks) for ratio, found in own.items()}
        best = max(ratios, key=lambda ratio: ratios[ratio][0])
        interval = None if goal == MEAN else optimum["predicted"][goal]
        rows.append(
            {
                "for": optimum["for"],
                "outside": optimum["for"].endswith(OUTSIDE),
                "share": optimum["code"],
                "runs": there,
                "predicted": float(np.mean([optimum["predicted"][runs.task_names[j]]["median"] for j in tasks])),
                "interval": interval,
                "score": score,
                "stderr": error,
                "inside": None if interval is None else interval["lower"] <= score <= interval["upper"],
                "ratios": {ratio: found for ratio, (found, _) in ratios.items()},
                "beats": sum(score > found for found, _ in ratios.values()),
                "best": best,
                "over_best": score - ratios[best][0],
                "standard_error": float(np.hypot(error, ratios[best][1])),
            }
        )
    return rows


def of_ratios(runs: Runs, size: str) -> dict[str, Scored]:
    """Ratio → scores at this size, means over seeds."""
    table = grid(runs)
    table = table.only(of_size(table, size))
    ratio = [f"{share:.3g}" for share in shares(table)]
    return {
        each: _mean(table.only([name for name, r in zip(table.names, ratio, strict=True) if r == each]))
        for each in sorted(set(ratio), key=float)
    }


def show_registered(rows: list[dict[str, Any]]) -> None:
    """The loop as a table."""
    lines = [
        [
            f"{row['for']} at {row['share']:.3g}",
            percent(row["predicted"], 1),
            None if row["interval"] is None else "–".join(str(percent(row["interval"][b], 1)) for b in BOUNDS),
            f"{percent(row['score'], 1)} ± {percent(row['stderr'], 1)}",
            len(row["runs"]),
            {True: "yes", False: "no", None: None}[row["inside"]],
            " ".join(f"{100 * score:.1f}" for score in row["ratios"].values()),
            f"{row['beats']} of {len(row['ratios'])}",
            f"{percent(row['over_best'], 1, signed=True)} ± {percent(row['standard_error'], 1)}",
        ]
        for row in rows
    ]
    ratios = " ".join(next(iter(rows))["ratios"]) if rows else ""
    columns = ["", "predicted", "90 %", "scored", "runs", "inside", f"at {ratios}", "beats", "over the best"]
    show("Runs at the optima that were proposed before, points", columns, lines)


def _mean(runs: Runs) -> Scored:
    """The mean of these runs' final scores."""
    finals = runs.finals()
    error = np.sqrt((np.nan_to_num(finals.stderr) ** 2).sum(axis=0)) / len(finals.run)
    return Scored(finals.score.mean(axis=0), error)
