"""The best share of code, task by task (§6.1, figure 6), and what runs trained at proposed optima scored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.methods import key
from benchmarks.paper.fits import fitted
from benchmarks.paper.ladders import asked_task, common_share, grid, of_size, proposed, shares, sizes
from benchmarks.paper.mixed import LAW
from benchmarks.paper.registered import of_ratios, proposals_of, registered, show_registered
from benchmarks.report import percent, show
from flpjax import Goal, MixCurve, Runs, Target, forecast, mix_curve, optimise_mix, targets_of
from flpjax.fitting.draws import Draws

LAWS = {"FLP-M": LAW, "FLP-M by M3": "m3+network"}
EDGE = 0.005  # a best share nearer to an end of those tried is at the end


def optimum(runs: Runs) -> dict[str, Any]:
    """The curve over shares in steps of .01 at one size's compute, its peaks, and the runs at proposed optima."""
    size = size_asked(runs)
    target = target_of(runs, size)
    figures: dict[str, Any] = {"size": size, "flops": target.flops, "tasks": list(runs.task_names), "laws": {}}
    for name, law in LAWS.items():
        draws = fitted(law, runs)
        figures["laws"][name] = {
            "curve": peaks(mix_curve(draws, target)),
            "best": best_mixes(draws, target) if name == "FLP-M" else {},
            "proposed": closed(runs, draws, size),
        }
    made = proposals_of(runs)
    return figures | {"registered": None if made is None else registered(runs, made, size)}


def size_asked(runs: Runs) -> str:
    """The size of the runs at proposed optima; without any, the largest that was sampled."""
    names = proposed(runs)
    label = dict(zip(runs.names, sizes(runs), strict=True))
    return label[names[0]] if names else label[runs.training().largest(1)[0]]


def target_of(runs: Runs, size: str) -> Target:
    """A model of this size, with the compute of the ladder's own."""
    own = grid(runs).only(of_size(grid(runs), size))
    share = np.abs(shares(own) - common_share(runs))
    chosen = own.only([own.names[int(share.argmin())]])
    return replace(targets_of(chosen)[0], name=size)


def peaks(curve: MixCurve) -> dict[str, Any]:
    """The curve over the shares that were tried, and task → where it peaks."""
    share, tried = curve.weights[:, -1], curve.tried[:, -1]
    within = (share >= tried.min() - 1e-9) & (share <= tried.max() + 1e-9)
    share, median = share[within], curve.median[within]
    best = median.argmax(axis=0)
    return {
        "shares": share.tolist(),
        "median": {task: median[:, j].tolist() for j, task in enumerate(curve.outputs)},
        "best": {task: float(share[best[j]]) for j, task in enumerate(curve.outputs)},
        "inside": {
            task: bool(tried.min() + EDGE < share[best[j]] < tried.max() - EDGE) for j, task in enumerate(curve.outputs)
        },
    }


def best_mixes(draws: Draws, target: Target) -> dict[str, Any]:
    """Task → the share that gradients find, where single draws would have it, and the gain over the best tried."""
    found = {}
    for task in draws.model.tasks:
        mix = optimise_mix(draws, target, key(), goal=Goal(tasks={task: 1.0}))
        source = mix.sources[-1]
        found[task] = {
            "share": mix.mixture[source],
            "spread": mix.spread[source].to_dict(),
            "gain": mix.gain.to_dict(),
            "p_gain": mix.p_gain,
        }
    return found


def closed(runs: Runs, draws: Draws, size: str) -> list[dict[str, Any]]:
    """The runs at proposed optima: forecast by these draws with intervals, measured, beside the ladder's own ratios."""
    rows: list[dict[str, Any]] = []
    names = [name for name in of_size(runs, size) if name in proposed(runs)]
    if not names:
        return rows
    finals = runs.only(names).finals()
    seen = forecast(draws, targets_of(finals))
    own = of_ratios(runs, size)
    for i, name in enumerate(finals.names[r] for r in finals.run):
        task = asked_task(name)
        for j, other in enumerate(runs.task_names):
            interval, score = seen.score[i].get(other), finals.score[i, j]
            if not np.isfinite([score, *(found.score[j] for found in own.values())]).all():
                continue
            top = max(own, key=lambda ratio: own[ratio].score[j])
            error = float(np.hypot(np.nan_to_num(finals.stderr[i, j]), own[top].error[j]))
            rows.append(
                {
                    "run": name,
                    "share": float(shares(finals)[i]),
                    "task": other,
                    "asked": None if task is None else other == task,
                    "forecast": None if interval is None else interval.to_dict(),
                    "score": float(score),
                    "inside": None if interval is None else bool(interval.lower <= score <= interval.upper),
                    "ratios": {ratio: float(found.score[j]) for ratio, found in own.items()},
                    "beats": int(sum(score > found.score[j] for found in own.values())),
                    "over_best": float(score - own[top].score[j]),
                    "standard_error": error or None,
                }
            )
    return rows


def show_optimum(figures: dict[str, Any]) -> None:
    """Figure 6 as tables."""
    tasks = figures["tasks"]
    rows: list[list[object]] = []
    for name, law in figures["laws"].items():
        best, inside = law["curve"]["best"], law["curve"]["inside"]
        rows.append([name, *(f"{best[t]:.2f}{' inside' if inside[t] else ''}" if t in best else None for t in tasks)])
        if law["best"]:
            spread = {t: v["spread"] for t, v in law["best"].items()}
            held = (f"{spread[t]['lower']:.2f}–{spread[t]['upper']:.2f}" if t in spread else None for t in tasks)
            rows.append(["  90 % of draws", *held])
            rows.append(["  P(gain > 0)", *(law["best"][t]["p_gain"] if t in spread else None for t in tasks)])
    show(f"Figure 6: the best share of code at {figures['size']}", ["", *tasks], rows)
    if figures["registered"] is not None:
        show_registered(figures["registered"])
        return
    for name, law in figures["laws"].items():
        found = [row for row in law["proposed"] if row["asked"] is not False]
        lines = [
            [
                f"{row['run']}, {row['task']}",
                *_interval(row["forecast"]),
                percent(row["score"], 1),
                ", ".join(f"{r}: {100 * s:.1f}" for r, s in row["ratios"].items()),
                f"{row['beats']} of {len(row['ratios'])}",
                percent(row["over_best"], 1, signed=True),
                percent(row["standard_error"], 1),
            ]
            for row in found
        ]
        if lines:
            columns = ["", "forecast", "90 %", "scored", "the ratios of the ladder", "beats", "over the best", "s.e."]
            show(f"Runs at proposed optima, {name}, points", columns, lines)


def _interval(forecast: dict[str, float] | None) -> list[str | None]:
    """Median and bounds in points; nothing for a task that is not forecast."""
    if forecast is None:
        return [None, None]
    return [percent(forecast["median"], 1), f"{percent(forecast['lower'], 1)}–{percent(forecast['upper'], 1)}"]
