"""The loop closed (Chen et al. 2024, section 6.1): which mixtures to train at, said before they are trained.

``python -m benchmarks.ladder.optima --rows ladder.csv --size 8.8M --out optima.json`` fits the sampling runs alone,
finds the best mixture at that size's compute for each task and for the mean of tasks, and writes it with what it is
predicted to score. ``python -m benchmarks.ladder --optima optima.json`` then trains there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

import flpjax
from benchmarks.ladder.config import Plan, read_experiment
from benchmarks.ladder.questions.build import TASKS
from benchmarks.report import environment, show

MEAN = "mean"
DIGITS = 3  # of a share: a thousandth of a corpus is less than its noise


def propose(
    runs: flpjax.Runs, plan: Plan, method: str, seed: int, draws: int, outside: Sequence[str] = ()
) -> dict[str, Any]:
    """The best mixture for each task and for their mean, with what is predicted there and at the mixtures tried.

    Args:
        runs: The table; runs that are held out are not looked at.
        plan: Of the size that is to be trained.
        method: The method of flpjax.
        seed: Of its draws.
        draws: Bootstrap draws.
        outside: Tasks for which to propose, besides, the best of all mixtures, also outside the range that was tried.
    """
    training = runs.training()
    key = jax.random.key(seed)
    fitted = flpjax.bootstrap(flpjax.method(method), training, key, draws=draws, strict=False)
    size = plan.size
    target = flpjax.Target(size.name, params=size.params, tokens=plan.tokens(plan.steps), flops=plan.flops(plan.steps))
    goals = [(name, name, False) for name in (*training.task_names, MEAN)]
    goals += [(f"{name}-outside", name, True) for name in outside]
    optima = []
    for purpose, name, anywhere in goals:
        found = flpjax.optimise_mix(
            fitted,
            target,
            key,
            goal=flpjax.Goal(None if name == MEAN else {name: 1.0}),
            constraints=flpjax.Constraints(outside=anywhere),
            method=method,
        )
        optima.append(
            {
                "for": purpose,
                "code": round(found.mixture["code"], DIGITS),
                "spread": found.spread["code"].to_dict(),
                "baseline": found.baseline.weights["code"],
                "gain": found.gain.to_dict(),
                "p_gain": found.p_gain,
                "predicted": {c.name: c.found.to_dict() for c in found.changes if c.kind == "score"},
            }
        )
    tried = sorted(set(training.mix[:, training.sources.index("code")].round(6)))
    return {
        "size": size.name,
        "method": method,
        "draws": draws,
        "seed": seed,
        "fitted": list(training.names),
        "target": {"params": target.params, "tokens": target.tokens, "flops": target.flops},
        "optima": optima,
        "tried": {f"{code:g}": _predicted(fitted, target, float(code)) for code in tried},
        **environment(),
    }


def _predicted(fitted: flpjax.Draws, target: flpjax.Target, code: float) -> dict[str, Any]:
    """Scores that are predicted for one mixture."""
    there = replace(target, mix={"general": 1.0 - code, "code": code})
    answer = flpjax.forecast(fitted, [there])
    return {
        row["name"]: {k: row[k] for k in ("median", "lower", "upper")}
        for row in answer.to_dicts()
        if row["kind"] == "score"
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ladder.optima", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--rows", type=Path, required=True, metavar="FILE", help="the ladder without its targets")
    parser.add_argument("--scale", default="full", help="a table under [scales] in experiment.toml")
    parser.add_argument("--size", required=True, help="the size to be trained, as 8.8M")
    parser.add_argument("--method", default="m3+network", help="a method of mixtures")
    parser.add_argument("--draws", type=int, default=200, help="bootstrap draws")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument(
        "--outside", nargs="+", default=(), metavar="TASK", help="also the best of all mixtures for these"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the proposal is written")
    wanted = parser.parse_args(arguments)

    jax.config.update("jax_enable_x64", True)
    experiment = read_experiment(wanted.scale)
    size = next((size for size in experiment.sizes if size.name == wanted.size), None)
    if size is None:
        raise SystemExit(f"there is no size {wanted.size}: choose from {', '.join(s.name for s in experiment.sizes)}")
    facts = {"tasks": {task.name: {"chance": task.chance} for task in TASKS}}
    runs, plan = flpjax.read_runs(wanted.rows, facts), experiment.plan(size)
    found = propose(runs, plan, wanted.method, wanted.seed, wanted.draws, wanted.outside)
    wanted.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    show(
        f"{wanted.method}: best share of code for {size.name}, from {len(found['fitted'])} runs",
        ("for", "share of code", "draws' own, 90 %", "gain over the best tried", "P(gain > 0)"),
        [
            (
                entry["for"],
                f"{entry['code']:.3f}",
                f"{entry['spread']['lower']:.2f} to {entry['spread']['upper']:.2f}",
                f"{100 * entry['gain']['median']:+.2f} points over {entry['baseline']:g}",
                f"{entry['p_gain']:.2f}",
            )
            for entry in found["optima"]
        ],
    )


if __name__ == "__main__":
    main()
