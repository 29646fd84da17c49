"""Small tables of every shape that people bring: what is in them, which methods forecast from them, what stops some."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

TASKS = {"quiz": 0.25, "recall": 0.0}  # chance levels
LOSSES = ("general", "code")
RUNS, CHECKPOINTS = 8, 4  # the same in nearly all tables, so that they share compiled programs

NO_LOSS = "there is no column 'loss/<domain>'"
NO_SCORE = "there is no column 'score/<task>'"
NO_MIX = "there is no column 'mix/<source>'"
NO_OWN = "the task's own loss"
FEW = "with a final value"  # 2 runs with a final value, and … has 5 parameters
ONE_RUN = "one run only with a final value"
EXACT = "passes exactly through"
ASLEEP = "no task has 3 runs that end above chance"


@dataclass(frozen=True)
class Shape:
    """One kind of table.

    Attributes:
        losses: Its loss domains.
        tasks: Its tasks.
        runs: Its runs.
        checkpoints: A run's.
        mixed: Whether there are mixture weights.
        odd: What is odd about it, a key of :func:`rows`.
        works: Methods that forecast from it.
        refused: Method → words of the one error that it ends in.
    """

    losses: tuple[str, ...] = LOSSES[:1]
    tasks: tuple[str, ...] = tuple(TASKS)
    runs: int = RUNS
    checkpoints: int = CHECKPOINTS
    mixed: bool = False
    odd: str = ""
    works: tuple[str, ...] = ("flp", "fp-gpt4")
    refused: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path, name: str) -> list[str]:
        """Write the table and its mapping; the arguments that name them."""
        table = rows(self)
        columns = list(table[0])
        file, mapping = folder / f"{name}.csv", folder / f"{name}.toml"
        lines = [",".join(columns), *(",".join(str(row[c]) for c in columns) for row in table)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        facts = [f"[tasks.{task}]\nchance = {TASKS[task]}\n" for task in self.tasks]
        missing = ["[table]\nallow_missing = true\n"] if self.odd == "gaps" else []
        mapping.write_text("".join(missing + facts), encoding="utf-8")
        return [str(file), "--mapping", str(mapping)]


def rows(shape: Shape) -> list[dict[str, object]]:
    """Checkpoints by a known law, loss = 1.7 + 400/N^.34 + 410/D^.28, and scores that are a sigmoid of it."""
    rng = np.random.default_rng(11)
    found = []
    for r in range(shape.runs):
        params = 1e8 if shape.odd == "constant N" else 2e7 * 2.0**r
        tokens = {"constant N": 1e9 * 2.0**r, "equal compute": 1e20 / (6.0 * params)}.get(
            shape.odd, params * 20.0 * (2.0 if r % 2 else 0.7)
        )
        for step in range(1, shape.checkpoints + 1):
            d = tokens * step / shape.checkpoints
            row: dict[str, object] = {"run": f"r{r}", "params": params, "tokens": d}
            loss = (1.7 + 400.0 / params**0.34 + 410.0 / d**0.28) * math.exp(rng.normal(0.0, 0.002))
            code = 0.1 + 0.1 * (r * 3 % 5)
            for k, domain in enumerate(shape.losses):
                row[f"loss/{domain}"] = loss * (1.0 - 0.1 * k) + shape.mixed * 0.3 * (code - 0.3) * (
                    1 if k == 0 else -1
                )
            for k, task in enumerate(shape.tasks):
                risen = 1.0 / (1.0 + math.exp(3.0 * (loss - 2.9 - 0.1 * k)))
                score = TASKS[task] + (1.0 - TASKS[task]) * risen + rng.normal(0.0, 0.004)
                if shape.odd == "chance" or (shape.odd == "one at chance" and k == 0):
                    score = TASKS[task] + abs(rng.normal(0.0, 0.004))
                row[f"score/{task}"] = 0.5 if shape.odd == "equal scores" else min(max(score, 0.0), 1.0)
            if shape.mixed:
                row |= {"mix/code": code, "mix/web": 1.0 - code}
            if shape.odd == "unfinished":
                row["final"] = int(step == shape.checkpoints and r != 3)
            if shape.odd == "all held out":
                row["held_out"] = 1
            if shape.odd == "gaps":  # evaluations of their own cadence; one target has one loss and one score only
                last = step == shape.checkpoints
                blank = [f"loss/{LOSSES[1]}"] * (r in (2, RUNS - 1)) + [f"loss/{LOSSES[0]}"] * (step == 2)
                blank += [f"score/{shape.tasks[0]}"] * (r == 4 and last) + [f"score/{shape.tasks[1]}"] * (r == RUNS - 1)
                row |= dict.fromkeys(blank, "")
            found.append(row)
    return found


WITHOUT_MIX = {"m3+domain-linear": NO_MIX, "flp-m": NO_MIX}
SHAPES = {
    "losses only": Shape(
        tasks=(),
        works=("flp", "flp-average"),
        refused={"fp": NO_SCORE, "fp-gpt4": NO_SCORE, "llama3": NO_SCORE, "power+sigmoid own": NO_SCORE, **WITHOUT_MIX},
    ),
    "scores only": Shape(
        losses=(),
        works=("fp", "fp-gpt4", "flat"),
        refused={
            **dict.fromkeys(("flp", "chinchilla+sigmoid", "flp-average", "llama3", "power+sigmoid own"), NO_LOSS),
            "m3+domain-linear": NO_LOSS,
        },
    ),
    "mixtures, losses only": Shape(
        losses=LOSSES, tasks=(), mixed=True, works=("m3+domain-linear", "flp-m"), refused={"fp": NO_SCORE}
    ),
    "mixtures, both": Shape(losses=LOSSES, mixed=True, works=("m3+domain-linear",), refused={"llama3": NO_OWN}),
    "mixtures, scores only": Shape(
        losses=(), mixed=True, works=("fp-gpt4",), refused={"m3+domain-linear": NO_LOSS, "flp": NO_LOSS}
    ),
    "both": Shape(
        works=("flp", "fp", "fp-gpt4", "flat"),
        refused={"llama3": NO_OWN, "power+sigmoid own": NO_OWN, **WITHOUT_MIX},
    ),
    "each task's own loss": Shape(losses=("general", *TASKS), works=("llama3", "power+sigmoid own")),
    "gaps": Shape(losses=LOSSES, odd="gaps"),
    "one run": Shape(runs=1, works=(), refused={"flp": ONE_RUN, "fp": ONE_RUN, "auto": ONE_RUN}),
    "two runs": Shape(runs=2, works=(), refused={"flp": EXACT, "chinchilla+sigmoid": FEW, "fp": ASLEEP}),
    "three runs": Shape(runs=3, works=("flp",), refused={"fp": ASLEEP}),
    "all held out": Shape(odd="all held out", works=(), refused={"flp": "held out", "auto": "held out"}),
    "one checkpoint a run": Shape(checkpoints=1),
    "a run without a final row": Shape(odd="unfinished"),
    "all tasks at chance": Shape(odd="chance", works=("flp",), refused={"fp-gpt4": ASLEEP}),
    "one task at chance": Shape(odd="one at chance", works=("flp",)),
    "equal scores": Shape(odd="equal scores"),
    "one N": Shape(odd="constant N"),
    "equal compute": Shape(odd="equal compute", works=("chinchilla+sigmoid",)),
}
