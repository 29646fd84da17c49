"""Parts one after another, or side by side in processes of their own.

Not in ``__main__``: a process that is spawned could not find it there.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.sharedctypes
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import jax

from benchmarks.calibration.cells import Counted, count
from benchmarks.calibration.forecasters import FORECASTERS
from benchmarks.calibration.ladders import Part, runs_of
from benchmarks.methods import key


def one(part: Part, methods: Sequence[str], draws: int) -> Counted:
    """The cells of one part."""
    chosen = {name: FORECASTERS[name] for name in methods}
    return count(part.ladder, part.seen, runs_of(part), chosen, key(), draws)


def every(todo: Sequence[Part], methods: Sequence[str], draws: int, workers: int) -> Iterator[Counted]:
    """The cells of all parts, as they come; side by side in processes of their own if there are several workers."""
    if workers == 1:
        for part in todo:
            yield one(part, methods, draws)
        return
    context = multiprocessing.get_context("spawn")
    taken = context.Value("i", 0)
    with ProcessPoolExecutor(workers, context, _begin, (taken, workers)) as pool:
        for done in as_completed([pool.submit(one, part, methods, draws) for part in todo]):
            yield done.result()


def _begin(taken: multiprocessing.sharedctypes.Synchronized[int], workers: int) -> None:
    """A worker's own precision, and its own share of the cores, so that workers don't crowd each other."""
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    with taken.get_lock():
        mine = taken.value
        taken.value += 1
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, set(cores[mine % len(cores) :: workers]))
