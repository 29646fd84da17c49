"""The OLMo model ladder (Bhagia et al. 2024, arXiv:2412.04403) in its authors' layout.

Four sizes times four token budgets to fit on, and three bigger models to forecast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from flpjax.errors import InputError
from flpjax.ladder.build import build_runs
from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import Task
from flpjax.readers.wandb import join, wandb_history

FOLDER = "src/scripts/paper/data/ladder-runs"
FINAL_AVERAGE = 5  # the authors' final point is the mean of the last five evaluations

# Size → non-embedding parameters, training FLOPs per token (attention and the head included).
SIZES = {
    "190M": (190_354_176, 1_903_391_232),
    "370M": (371_262_464, 3_443_922_944),
    "760M": (758_220_288, 6_373_843_968),
    "1B": (1_279_395_840, 10_109_071_360),
    "3B": (3_169_537_280, 22_970_355_200),
    "peteish7": (6_887_575_552, 49_412_071_424),
    "peteish13": (13_202_396_160, 91_335_915_520),
}
LADDER = ("190M", "370M", "760M", "1B")
PAPER = tuple(f"{size}-{budget}" for size in LADDER for budget in ("1xC", "2xC", "5xC", "10xC"))
# The 7B and 13B were trained by another recipe on trillions of tokens; 3B-10xC is of the ladder's own kind.
TARGETS = {"3B-10xC": "3B-10xC", "peteish7": "peteish7_eval_anneal", "peteish13": "peteish13_eval_final"}
OTHERS = (
    *(f"{size}-{budget}" for size in LADDER for budget in ("0.5xC", "1xC-rerun")),
    *(f"3B-{budget}" for budget in ("0.5xC", "1xC", "1xC-rerun", "2xC", "5xC")),
)

MMLU = {"stem": 0.215, "humanities": 0.335, "social_sciences": 0.219, "other": 0.231}  # shares of its questions
ONE = {"": 1.0}
# Task → facts, its name in the export, and the parts it is a weighted mean of.
TASKS = {
    "mmlu": (Task("mmlu", 0.25, 14042), "mmlu_{}_test", MMLU),
    "hellaswag": (Task("hellaswag", 0.25, 10042), "hellaswag_val", ONE),
    "arc_challenge": (Task("arc_challenge", 0.25, 1172), "arc_challenge_test", ONE),
    "arc_easy": (Task("arc_easy", 0.25, 2376), "arc_easy_test", ONE),
    "piqa": (Task("piqa", 0.5, 1838), "piqa_val", ONE),
    "csqa": (Task("csqa", 0.2, 1221), "csqa_val", ONE),
    "socialiqa": (Task("socialiqa", 1 / 3, 1954), "socialiqa_val", ONE),
    "openbookqa": (Task("openbookqa", 0.25, 500), "openbookqa_test", ONE),
}


def olmo_ladder(folder: Path, runs: Literal["paper", "all"] = "paper") -> Runs:
    """Read the ladder: 11 validation losses, 8 tasks and their bits per byte at every checkpoint.

    FLOPs are tokens × the authors' FLOPs per token. A task's accuracy is the one in rank-choice format, 5 shots,
    length-normalised; ``loss/<task>`` is the bits per byte of its right answers.

    Args:
        folder: A copy of the authors' repository, or of the part with the runs.
        runs: ``paper``: the 16 runs the authors fit, with 3B-10xC, the 7B and the 13B held out; ``all``: also the half
            budgets, the reruns and the other 3B runs.

    Raises:
        InputError: A file or a column is missing.
    """
    if runs not in ("paper", "all"):
        raise InputError(f"there is no selection '{runs}'", where="olmo_ladder", remedy="It is 'paper' or 'all'")
    files = files_of(runs)
    sums = {f"score/{task}": _parts(task, "eval/downstream/{}_rc_5shot_len_norm") for task in TASKS}
    sums |= {f"loss/{task}": _parts(task, "eval/downstream_bpb/{}_rc_5shot_bpb") for task in TASKS}
    histories = {name: wandb_history(folder / FOLDER / f"{file}.csv", sums) for name, file in files.items()}
    columns, place = join(histories, "olmo-ladder")
    sizes = np.array([SIZES[_size(name)] for name in columns["run"]], np.float64)
    columns["params"] = sizes[:, 0]
    columns["flops"] = columns["tokens"] * sizes[:, 1]
    columns["held_out"] = np.array([name in TARGETS for name in columns["run"]])
    return build_runs(
        columns,
        tasks={name: task for name, (task, _, _) in TASKS.items()},
        source="olmo-ladder",
        place=place,
        final_average=FINAL_AVERAGE,
        notes=(
            "loss domains named as a task are bits per byte of its right answers; the others are nats per token",
            "the 7B and the 13B were trained by another recipe than the ladder, 3B-10xC by the ladder's own",
        ),
    )


def files_of(runs: str) -> dict[str, str]:
    """Run → the name of its export, of the selection ``paper`` or ``all``."""
    return {name: name for name in (*PAPER, *(OTHERS if runs == "all" else ()))} | TARGETS


def _parts(task: str, column: str) -> dict[str, float]:
    """The export's columns of a task and their weights."""
    _, pattern, weights = TASKS[task]
    return {column.format(pattern.format(part)): weight for part, weight in weights.items()}


def _size(run: str) -> str:
    return run if run in SIZES else run.partition("-")[0]
