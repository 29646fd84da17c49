"""What the paper claims of the best share of code (figure 6, §6.1), held against the figures found."""

from __future__ import annotations

from typing import Any

from benchmarks.paper import mixed
from benchmarks.paper.verdicts import Verdict
from benchmarks.report import percent

Figures = dict[str, Any]
LEVEL = 2.0  # standard errors
BEATS_ALL = "models trained at the two peaks beat all six ratios"


def of_optimum(figures: Figures) -> list[Verdict]:
    """Figure 6."""
    law = figures["laws"][mixed.FLPM_NAME]
    inside = [task for task, is_inside in law["curve"]["inside"].items() if is_inside]
    found = [f"{task} at {law['curve']['best'][task]:.2f}" for task in inside]
    peaks = Verdict(
        "Figure 6",
        "two of six tasks peak inside: RACE at .01, ARC at .22",
        ", ".join(found) or "none",
        "one task or more peaks inside, and not all do",
        0 < len(inside) < len(law["curve"]["inside"]),
    )
    if figures["registered"] is not None:
        return [peaks, *of_registered(figures["registered"])]
    asked = [row for row in law["proposed"] if row["asked"]]
    won = [row for row in asked if row["beats"] == len(row["ratios"])]
    here = f"{len(won)} of {len(asked)} do: " + ", ".join(
        f"{r['task']} {percent(r['over_best'], 1, signed=True)} points" for r in asked
    )
    return [
        peaks,
        Verdict(
            "Figure 6",
            BEATS_ALL,
            here if asked else "none was trained",
            "every model trained at a task's peak beats all ratios of the ladder on that task",
            len(won) == len(asked) if asked else None,
        ),
    ]


def of_registered(rows: list[Figures]) -> list[Verdict]:
    """What came of the optima proposed before a run was trained there; outside the shares tried is another matter."""
    verdicts = []
    for outside in (False, True):
        asked = [row for row in rows if row["outside"] is outside]
        if not asked:
            continue
        won = sum(row["beats"] == len(row["ratios"]) for row in asked)
        worse = [row["for"] for row in asked if row["over_best"] < -LEVEL * row["standard_error"]]
        known = [row["inside"] for row in asked if row["inside"] is not None]
        verdicts.append(
            Verdict(
                "Figure 6, outside the shares tried" if outside else "Figure 6",
                "nothing" if outside else BEATS_ALL,
                f"as good as the best of six at {len(asked) - len(worse)} of {len(asked)} optima"
                + (f", not for {', '.join(worse)}" if worse else "")
                + f"; {won} beat all six outright; {sum(known)} of {len(known)} forecasts in their 90 % interval: "
                + ", ".join(
                    f"{r['for']} {percent(r['over_best'], 1, signed=True)} ± {percent(r['standard_error'], 1)}"
                    for r in asked
                )
                + " points over the best",
                "at no optimum proposed the runs are worse than the best of six by more than two standard errors",
                None if outside else not worse,
            )
        )
    return verdicts
