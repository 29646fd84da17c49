"""Tasks one after another, or side by side in processes of their own."""

from __future__ import annotations

import multiprocessing
import multiprocessing.sharedctypes
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

import jax

Task = TypeVar("Task")
Result = TypeVar("Result")


def side_by_side(
    do: Callable[[Task], Result], todo: Sequence[Task], workers: int, *, accelerator: bool = False
) -> Iterator[Result]:
    """What each task comes to, as they come; side by side in processes of their own if there are several workers.

    Args:
        do: A function at the top of a module that is not ``__main__``, where a process that is spawned finds it.
        todo: The tasks.
        workers: How many processes, each on the CPU, in 64 bits.
        accelerator: They share what JAX finds in place of the CPU, and none takes all of its memory.
    """
    if workers == 1:
        yield from map(do, todo)
        return
    context = multiprocessing.get_context("spawn")
    taken = context.Value("i", 0)
    if accelerator:
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # read when a process starts JAX
    with ProcessPoolExecutor(workers, context, _begin, (taken, workers, accelerator)) as pool:
        for done in as_completed([pool.submit(do, task) for task in todo]):
            yield done.result()


def _begin(taken: multiprocessing.sharedctypes.Synchronized[int], workers: int, accelerator: bool) -> None:
    """A worker's own precision, and its own share of the cores, so that workers don't crowd each other."""
    jax.config.update("jax_enable_x64", True)
    if not accelerator:
        jax.config.update("jax_platforms", "cpu")
    with taken.get_lock():
        mine = taken.value
        taken.value += 1
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, set(cores[mine % len(cores) :: workers]))
