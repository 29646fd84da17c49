"""A forecast that is kept as it was made, to be held against what comes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flpjax.fitting.draws import Draws, refuse_unfitted
from flpjax.fitting.saved.archive import VERSIONS
from flpjax.fitting.saved.files import bytes_of, save
from flpjax.ladder.export import csv_of
from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import Task
from flpjax.ladder.units import Unit
from flpjax.readers.read import Table, read_runs
from flpjax.results.baseline import Baseline, baseline
from flpjax.results.forecast import Forecast, forecast
from flpjax.results.review import review
from flpjax.results.target import Asked, Target, named_targets
from flpjax.results.verdicts import Review
from flpjax.version import __version__, installed


@dataclass(frozen=True, eq=False)
class Registration:
    """A forecast, and all that is needed to score it later, or to ask its draws something else.

    Attributes:
        draws: What it was made of.
        forecast: As it was made: later versions of flpjax don't move it.
        baseline: What the simplest model says of the same targets.
        review: What was doubtful about it; None if nobody asked.
        ladder: Where the ladder came from.
        data: SHA-256 of the ladder as canonical CSV.
        tasks: Facts about the ladder's tasks.
        domains: The ladder's loss domains, in the order of the baseline's.
        shown: Loss domain → what its losses are shown in to people.
        question: What was asked, in words.
        registered_at: When, in UTC, as ISO 8601 has it.
        versions: Of flpjax, and of the libraries below it.
    """

    draws: Draws
    forecast: Forecast
    baseline: Baseline
    review: Review | None
    ladder: str
    data: str
    tasks: tuple[Task, ...]
    domains: tuple[str, ...]
    shown: dict[str, Unit]
    question: str
    registered_at: str
    versions: dict[str, str]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file that :func:`flpjax.load` reads back bit by bit.

        Raises:
            InputError: A law can't be saved, or the file can't be written.
        """
        save("forecast", self, path)

    def to_bytes(self) -> bytes:
        """The same file as bytes."""
        return bytes_of("forecast", self)

    def __str__(self) -> str:
        targets = ", ".join(target.name for target in self.forecast.targets)
        return (
            f"forecast of {targets} by {self.forecast.method} from {self.ladder} (SHA-256 {self.data[:12]}…), "
            f"registered {self.registered_at} with flpjax {self.versions.get('flpjax', '?')}"
        )


def register(
    draws: Draws,
    runs: Table,
    targets: Asked | Sequence[Asked],
    *,
    level: float = 0.9,
    method: str = "",
    question: str = "",
    forecast: Forecast | None = None,
    review: Review | None = None,
) -> Registration:
    """Keep a forecast as it is made now; ``.save(path)`` writes it.

    Args:
        draws: Fitted on ``runs``.
        runs: The ladder.
        targets: What to forecast.
        level: Probability of the central intervals.
        method: What to call the method.
        question: What was asked, in words.
        forecast: Of the same draws and targets, if it is there already.
        review: Of the same; made unless given.

    Raises:
        InputError: There is nothing to forecast.
    """
    refuse_unfitted(draws)
    runs = read_runs(runs)
    targets = named_targets(targets)
    made = forecast if forecast is not None else _forecast(draws, targets, level, method)
    return Registration(
        draws=draws,
        forecast=made,
        baseline=baseline(runs, made.targets),
        review=review if review is not None else _review(draws, runs, targets, made),
        ladder=runs.source,
        data=hashlib.sha256(csv_of(runs).encode()).hexdigest(),
        tasks=runs.tasks,
        domains=runs.domains,
        shown=dict(runs.shown),
        question=question,
        registered_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"flpjax": __version__, **{name: installed(name) for name in VERSIONS}},
    )


def digest_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a registered forecast's file, by which a log tells forecasts apart."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _forecast(draws: Draws, targets: Sequence[Target], level: float, method: str) -> Forecast:
    return forecast(draws, targets, level=level, method=method)


def _review(draws: Draws, runs: Runs, targets: Sequence[Target], made: Forecast) -> Review:
    return review(draws, runs, targets, made)
