"""A ladder of the design that ``benchmarks.paper`` reads, simulated: the paper's sizes scaled down, named anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from flpjax import Runs, Task, simulate_mixtures
from flpjax.ladder.build import build_runs
from flpjax.ladder.export import columns_of
from flpjax.ladder.simulate import DESCENT

SIZES = {  # of Table 1 → of the ladder
    "0.12B": "0.15M", "0.2B": "0.44M", "0.32B": "0.79M", "0.5B": "1.5M", "0.72B": "2.7M", "1B": "4.7M",
    "3B": "8.8M", "7B": "18.9M",
}  # fmt: skip
TWICE, FOURFOLD = "3B", "7B"
RATIOS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
DOMAINS = {
    "general": "prose", "code": "python", "math": "c", "paper": "documentation", "wikipedia": "dictionary",
}  # fmt: skip
TASKS = {
    "arc_challenge": "continuation", "hellaswag": "gap", "race": "next_line", "bbh": "word", "triviaqa": "recall",
    "humaneval": "indent",
}  # fmt: skip
FACTS = {new: Task(new, chance=0.25 if new in ("continuation", "gap", "next_line") else 0.0) for new in TASKS.values()}
SMALLER = 300.0  # times, in parameters and in tokens


def paper_ladder(
    seed: int = 1,
    *,
    noise: float = 1.0,
    checkpoints: int = 30,
    sizes: Sequence[str] = tuple(SIZES),
    proposed: dict[str, float] | None = None,
) -> Runs:
    """Sampling runs of six sizes and six ratios; 2 × and 4 × as large held out; and runs at proposed optima.

    Args:
        seed: Of the noise.
        noise: Its scale.
        checkpoints: A run.
        sizes: Of Table 1; the last two are held out.
        proposed: Task → share of code of a held-out run at the smaller target's size.
    """
    parts = []
    for again in (0, 1):
        made = simulate_mixtures(
            seed + 1000 * again, noise=noise, checkpoints=checkpoints, sizes=sizes, ratios=RATIOS
        ).runs
        seen = [n for n in made.names if (n.startswith(FOURFOLD) or again) <= n.endswith("code0.3")]
        parts.append(_columns(made.only(seen), "-seed1" if again else ""))
    for task, share in (proposed or {}).items():
        extra = simulate_mixtures(seed, noise=noise, checkpoints=checkpoints, sizes=[TWICE], ratios=[share]).runs
        parts.append(_columns(extra, f"-for-{task}"))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return build_runs(columns, tasks=FACTS, source="simulated paper ladder")


def lawful(runs: Runs, law: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Runs:
    """The same table with losses that follow a law exactly.

    Args:
        runs: The table.
        law: From FLOPs at the end ``(row,)`` and weights ``(row, source)`` to losses ``(row, domain)``.
    """
    most = np.zeros(len(runs.names))
    np.maximum.at(most, runs.run, runs.tokens)
    trained = runs.tokens / most[runs.run]
    loss = law(runs.flops / trained, runs.mix) * trained[:, None] ** -DESCENT
    return replace(runs, loss=loss, train_loss=loss.mean(axis=1))


def scored(runs: Runs, score_of: Callable[[np.ndarray], np.ndarray]) -> Runs:
    """The same table with scores that are a function of losses ``(row, domain)``, but never below chance."""
    chance = np.array([t.chance for t in runs.tasks])
    score = np.maximum(score_of(runs.loss), chance)
    return replace(runs, score=score, stderr=np.zeros_like(score))


def _columns(runs: Runs, ending: str) -> dict[str, np.ndarray]:
    found = columns_of(runs)
    size = np.array([n.partition("-")[0] for n in found["run"]])
    found["run"] = np.array(
        [f"{SIZES[s]}-{n.partition('-')[2]}{ending}" for s, n in zip(size, found["run"], strict=True)], object
    )
    found["held_out"] = np.isin(size, (TWICE, FOURFOLD))
    for name, power in (("params", 1), ("tokens", 1), ("flops", 2)):
        found[name] = found[name] / SMALLER**power
    renamed = {f"loss/{a}": f"loss/{b}" for a, b in DOMAINS.items()}
    for kind in ("score", "stderr"):
        renamed |= {f"{kind}/{a}": f"{kind}/{b}" for a, b in TASKS.items()}
    return {renamed.get(name, name): values for name, values in found.items()}
