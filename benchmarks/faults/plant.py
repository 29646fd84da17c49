"""Faults that are planted into a clean ladder: each a change of its columns, and what must be named because of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.export import columns_of
from flpjax.ladder.table import Runs

Columns = dict[str, NDArray[Any]]
POSITIONS = ("smallest", "middle", "largest")
MOMENTS = ("first", "middle", "last")
BATCH = 2**21  # tokens a step, of a ladder whose tokens are given as steps


@dataclass(frozen=True)
class Planted:
    """A faulty table.

    Attributes:
        kind: Which fault.
        where: Position of the run, and moment of the checkpoint, where the fault has one.
        columns: Canonical columns ``(row,)``.
        named: Any of these must stand in a message.
    """

    kind: str
    where: str
    columns: Columns
    named: tuple[str, ...]


def run_at(runs: Runs, position: str) -> int:
    """The index of the smallest, middle or largest run by compute."""
    order = np.argsort([runs.flops[runs.run == r].max() for r in range(len(runs.names))], kind="stable")
    return int(order[{"smallest": 0, "middle": len(order) // 2, "largest": -1}[position]])


def _rows(runs: Runs, position: str, moment: str = "last") -> tuple[str, int]:
    r = run_at(runs, position)
    rows = np.flatnonzero(runs.run == r)
    return runs.names[r], int(rows[{"first": 0, "middle": len(rows) // 2, "last": -1}[moment]])


def _losses(columns: Mapping[str, Any]) -> list[str]:
    return [c for c in columns if c.startswith("loss/")]


def _fresh(runs: Runs) -> Columns:
    return {name: np.array(values) for name, values in columns_of(runs).items()}


def diverged(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """From a checkpoint on, all losses of a run climb to 1.5 to 4 × what they were."""
    columns, (name, row) = _fresh(runs), _rows(runs, position, moment)
    rows = np.flatnonzero((runs.run == runs.run[row]) & (np.arange(len(runs)) >= row))
    worse = np.exp(np.linspace(0.0, np.log(rng.uniform(1.5, 4.0)), len(rows) + 1)[1:])
    for c in (*_losses(columns), *(["train_loss"] if "train_loss" in columns else [])):
        columns[c][rows] *= worse
    return Planted("diverged", f"{position}, from its {moment}", columns, (name,))


def exploded(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """One loss is absurd at one checkpoint: 9e59, 1e6, 40."""
    columns, (name, row) = _fresh(runs), _rows(runs, position, moment)
    columns[rng.choice(_losses(columns))][row] = rng.choice([9e59, 1e6, 40.0])
    return Planted("loss absurd", f"{position}, {moment}", columns, (name,))


def pasted(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """A run's final losses are those of a run at another position."""
    columns, (name, row) = _fresh(runs), _rows(runs, position)
    other, source = _rows(runs, str(rng.choice([p for p in POSITIONS if p != position])))
    for c in _losses(columns):
        columns[c][row] = columns[c][source]
    return Planted("loss of another run", f"{position} from '{other}'", columns, (name,))


def run_in_perplexity(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """One run's losses are perplexities."""
    columns, (name, row) = _fresh(runs), _rows(runs, position)
    own = runs.run == runs.run[row]
    for c in _losses(columns):
        columns[c][own] = np.exp(columns[c][own])
    return Planted("one run's perplexities", position, columns, (name,))


def run_in_bits(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """One run's losses are in bits."""
    columns, (name, row) = _fresh(runs), _rows(runs, position)
    for c in _losses(columns):
        columns[c][runs.run == runs.run[row]] /= np.log(2.0)
    return Planted("one run's losses in bits", position, columns, (name,))


def all_perplexity(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """Every loss is a perplexity."""
    columns = _fresh(runs)
    for c in _losses(columns):
        columns[c] = np.exp(columns[c])
    return Planted("perplexity as nats", "all", columns, tuple(_losses(columns)))


def swapped(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """N and D change places, in all rows."""
    columns = _fresh(runs)
    columns["params"], columns["tokens"] = columns["tokens"], columns["params"]
    return Planted("N and D swapped", "all", columns, ("params", "tokens"))


def run_swapped(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """N and D change places in one run."""
    columns, (name, row) = _fresh(runs), _rows(runs, position)
    own = runs.run == runs.run[row]
    columns["params"][own], columns["tokens"][own] = runs.tokens[own], runs.params[own]
    return Planted("N and D swapped in a run", position, columns, (name, "params", "tokens"))


def _scaled(kind: str, column: str, factor: float, one: bool, named: tuple[str, ...]) -> Fault:
    def plant(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
        columns, (name, row) = _fresh(runs), _rows(runs, position)
        own = runs.run == runs.run[row] if one else np.ones(len(runs), bool)
        columns[column][own] *= factor
        if column != "flops":
            columns.pop("flops")  # as a table without them has it
        return Planted(kind, position if one else "all", columns, (name, *named) if one else named)

    return plant


def flops_doubled(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """One run's FLOPs are counted three times."""
    columns, (name, row) = _fresh(runs), _rows(runs, position)
    columns["flops"][runs.run == runs.run[row]] *= 3.0
    return Planted("FLOPs of a run × 3", position, columns, (name,))


def score_zero(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """A score above chance becomes 0 at one checkpoint."""
    columns, (name, row) = _fresh(runs), _rows(runs, position, moment)
    emerged = [f"score/{t.name}" for j, t in enumerate(runs.tasks) if runs.score[row, j] > max(t.chance, 0.1)]
    if not emerged:  # a score of 0 is natural there
        return score_zero(runs, "largest", "last", rng)
    chosen = str(rng.choice(emerged))
    columns[chosen][row] = 0.0
    return Planted("score of 0", f"{position}, {moment}: {chosen}", columns, (name, chosen[6:]))


def score_stuck(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """A score stays what it was at a run's first third, or in a table of finals what it was at the middle run."""
    columns = _fresh(runs)
    task = int(np.argmax([np.nanmax(runs.score[:, j]) - t.chance for j, t in enumerate(runs.tasks)]))
    column = f"score/{runs.task_names[task]}"
    rows = np.flatnonzero(runs.run == run_at(runs, position))
    rows = np.argsort(runs.flops)[len(runs) // 2 :] if len(rows) < 4 else rows[len(rows) // 3 :]
    columns[column][rows] = columns[column][rows[0]]
    return Planted("score stuck", f"{position}: {column}", columns, (runs.task_names[task],))


def score_of_error(runs: Runs, position: str, moment: str, rng: np.random.Generator) -> Planted:
    """A score is an error rate."""
    columns = _fresh(runs)
    task = int(np.argmax([np.nanmax(runs.score[:, j]) - t.chance for j, t in enumerate(runs.tasks)]))
    columns[f"score/{runs.task_names[task]}"] = 1.0 - columns[f"score/{runs.task_names[task]}"]
    return Planted("error rate as score", "all", columns, (runs.task_names[task],))


Fault = Callable[[Runs, str, str, np.random.Generator], Planted]

LOSS_FAULTS: tuple[Fault, ...] = (
    diverged,
    exploded,
    pasted,
    run_in_perplexity,
    run_in_bits,
    all_perplexity,
)
SIZE_FAULTS: tuple[Fault, ...] = (
    swapped,
    run_swapped,
    _scaled("tokens in billions", "tokens", 1e-9, False, ("tokens",)),
    _scaled("tokens in millions", "tokens", 1e-6, False, ("tokens",)),
    _scaled("tokens as steps", "tokens", 1.0 / BATCH, False, ("tokens",)),
    _scaled("params in millions", "params", 1e-6, False, ("params",)),
    _scaled("params in thousands", "params", 1e-3, False, ("params",)),
    _scaled("a run's tokens in billions", "tokens", 1e-9, True, ("tokens",)),
    _scaled("a run's params in millions", "params", 1e-6, True, ("params",)),
    _scaled("FLOPs in GFLOPs", "flops", 1e-9, False, ("flops",)),
    _scaled("a run's FLOPs in GFLOPs", "flops", 1e-9, True, ("flops",)),
    flops_doubled,
)
SCORE_FAULTS: tuple[Fault, ...] = (score_zero, score_stuck, score_of_error)
