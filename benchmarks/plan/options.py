"""What every part of the benchmark of plans is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How much a part does, and on how many processes.

    Attributes:
        workers: Processes, each on the CPU if there are several; see :mod:`benchmarks.workers`.
        replicates: Simulations of each study; None for the part's own number.
        seed: Of all that is random.
    """

    workers: int = 1
    replicates: int | None = None
    seed: int = 0
