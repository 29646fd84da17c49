"""The time limit of an input: processor time, without what XLA takes to compile the programs of a new table's shape."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType

COMPILE = "/jax/core/compile/backend_compile_duration"
GRACE = 10.0  # seconds: a program is counted when it has been compiled; to raise inside a compiler may end the process


class Hung(BaseException):
    """The time is up."""


@contextmanager
def limited(seconds: float) -> Iterator[Callable[[], float]]:
    """Raise :class:`Hung` in the block after so many seconds; what is yielded tells the seconds used.

    Other work on the machine must not make a hang, so that processor time counts.

    Args:
        seconds: Of processor time, all threads together.
    """
    compiled: list[float] = []
    _listening().append(compiled)
    start, warned = time.process_time(), False

    def used() -> float:
        return max(time.process_time() - start - (os.cpu_count() or 1) * sum(compiled), 0.0)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal warned
        if warned and used() >= seconds:
            raise Hung
        warned = used() >= seconds
        signal.setitimer(signal.ITIMER_PROF, max(seconds - used(), GRACE))

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield used
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)
        _listening().remove(compiled)


@cache
def _listening() -> list[list[float]]:
    """Where the seconds of every compilation are noted from now on."""
    from jax import monitoring

    lists: list[list[float]] = []

    def note(event: str, duration_secs: float, **_: str | int) -> None:
        if event == COMPILE:
            for each in lists:
                each.append(duration_secs)

    monitoring.register_event_duration_secs_listener(note)
    return lists
