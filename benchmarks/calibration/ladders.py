"""The cells: which public ladders, and from which of their smaller selves what came later is forecast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.chinchilla import points
from flpjax import Runs, read_runs
from flpjax.ladder.build import build_runs

OLMO, CHINCHILLA, MIXINGLAWS = "olmo-ladder", "chinchilla", "mixinglaws-5"
GADRE = ("gadre2024-c4", "gadre2024-rpj", "gadre2024-rw")
LADDERS = (OLMO, *GADRE, CHINCHILLA, MIXINGLAWS)
STEPS = {OLMO: (6, 8, 10, 12, 14, 15), **dict.fromkeys(GADRE, (8, 12, 16, 20, 25, 30))}
QUICK_STEP = 10
LEVELS, FEWEST = 6, 20  # of compute, of Chinchilla's points, and how many lie below the lowest
JUMP = 0.2  # e-folds of FLOPs from one scale of mixinglaws to the next: sizes and lengths of training
TOP = 0.1  # share of Chinchilla's points that are final targets


class Part(NamedTuple):
    """Forecasts from one state of one ladder."""

    ladder: str
    seen: int  # the smallest runs that are fitted; 0 for all training runs, which forecast those held out

    @property
    def final(self) -> bool:
        """Whether the targets are the ladder's held-out runs."""
        return self.seen == 0

    def __str__(self) -> str:
        return f"{self.ladder}, {'final' if self.final else f'{self.seen} smallest'}"


def parts(names: Sequence[str] = LADDERS, *, quick: bool = False) -> list[Part]:
    """All parts of these ladders; of the OLMo ladder only, from one origin and to the end, if it is to be quick."""
    if quick:
        return [Part(OLMO, QUICK_STEP), Part(OLMO, 0)]
    return [Part(name, k) for name in names for k in (*_steps(name), 0)]


def runs_of(part: Part) -> Runs:
    """The ladder with the part's targets held out."""
    runs = read(part.ladder)
    return runs if part.final else rolled(runs, part.seen)


def rolled(runs: Runs, seen: int) -> Runs:
    """The training runs with all but the smallest ``seen``, by final FLOPs, held out."""
    training = runs.training()
    return training.hold_out(training.largest(len(training.names) - seen))


def read(ladder: str) -> Runs:
    """One ladder with its final targets held out."""
    return chinchilla() if ladder == CHINCHILLA else read_runs(ladder)


def chinchilla() -> Runs:
    """Hoffmann et al.'s points, one run each, those with the most compute held out."""
    known = points()
    count = len(known.log_loss)
    runs = build_runs(
        {
            "run": np.array([f"point {i}" for i in range(count)], object),
            "params": np.exp(known.log_params),
            "tokens": np.exp(known.log_tokens),
            "loss/loss": np.exp(known.log_loss),
        },
        source=CHINCHILLA,
    )
    return runs.hold_out(runs.largest(round(TOP * count)))


def _steps(ladder: str) -> Iterator[int]:
    """How many runs are seen from each origin."""
    if ladder in STEPS:
        yield from STEPS[ladder]
        return
    log_flops = np.sort(np.log(read(ladder).training().finals().flops))
    if ladder == MIXINGLAWS:
        counts = np.flatnonzero(np.diff(log_flops) > JUMP) + 1
    else:
        edges = np.linspace(log_flops[FEWEST], log_flops[-1], LEVELS + 1)[:-1]
        counts = np.searchsorted(log_flops, edges, side="right")
    yield from map(int, counts)
