"""All cells of one part."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.calibration.cells import Counted, count
from benchmarks.calibration.forecasters import FORECASTERS
from benchmarks.calibration.ladders import Part, runs_of
from benchmarks.methods import key


def one(part: Part, methods: Sequence[str], draws: int) -> Counted:
    """The cells of one part, by methods that are named: what a process of its own is told."""
    return count(part.ladder, part.seen, runs_of(part), {name: FORECASTERS[name] for name in methods}, key(), draws)
