"""What came, against what was forecast: whether intervals held, and how far off, beside the simplest model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, shown, some_of
from flpjax.ladder.table import AVERAGE, Runs
from flpjax.ladder.unfinished import final_value_rule
from flpjax.methods.method import StageName
from flpjax.readers.read import Table, read_runs
from flpjax.results.record import crps
from flpjax.results.registration import Registration
from flpjax.results.target import Target
from flpjax.shown import ShownAsTable

FLOPS_TOLERANCE = 0.05  # of the FLOPs that were forecast: a run beyond it is not quite what was asked about
ANOTHER = 1.5  # times more or fewer FLOPs: another run, which says nothing of the forecast's calibration
MOST_LISTED = 6


@dataclass(frozen=True)
class Scored:
    """One quantity of one target.

    Attributes:
        target: Its name.
        kind: ``loss`` or ``score``.
        name: The domain or task.
        median: Of the forecast.
        lower: Lower bound of its interval.
        upper: Upper bound.
        actual: What came.
        rank: Share of the forecast's draws below what came; evenly spread, over many, of a calibrated forecast. None
            where the draws are no distribution.
        crps: Continuous ranked probability score of the draws, in the unit of the quantity; None as above.
        baseline_crps: That of the baseline; None where it says nothing.
    """

    target: str
    kind: StageName
    name: str
    median: float
    lower: float
    upper: float
    actual: float
    rank: float | None
    crps: float | None
    baseline_crps: float | None

    @property
    def held(self) -> bool | None:
        """Whether the interval holds what came; None where there was none."""
        return None if self.rank is None else self.lower <= self.actual <= self.upper

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**vars(self), "held": self.held}


@dataclass(frozen=True)
class Scoring(ShownAsTable):
    """A registered forecast against what came.

    Attributes:
        registered: What was registered, in words.
        registered_at: When.
        digest: SHA-256 of its file, or empty.
        method: The method's name.
        level: Probability that its intervals were meant to have.
        cells: ``(quantity,)``.
        notes: How targets were matched with runs, and what did not match.
    """

    registered: str
    registered_at: str
    digest: str
    method: str
    level: float
    cells: tuple[Scored, ...]
    notes: tuple[str, ...]

    @property
    def held(self) -> tuple[int, int]:
        """Intervals that held, and all intervals."""
        held = [cell.held for cell in self.cells if cell.held is not None]
        return sum(held), len(held)

    @property
    def gain(self) -> float | None:
        """How much less the CRPS is than the baseline's, a geometric mean over quantities; None without both."""
        pairs = [(c.crps, c.baseline_crps) for c in self.cells if c.crps and c.baseline_crps]
        return None if not pairs else 1.0 - float(np.exp(np.mean([np.log(own / other) for own, other in pairs])))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one a quantity."""
        return [cell.to_dict() for cell in self.cells]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        held, of = self.held
        return {
            "registered_at": self.registered_at,
            "forecast_sha256": self.digest,
            "method": self.method,
            "level": self.level,
            "held": held,
            "intervals": of,
            "crps_below_baseline": self.gain,
            "cells": self.to_dicts(),
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """The scoring as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        held, of = self.held
        said = f"{held} of {of} intervals of {100 * self.level:g} % held" if of else "there were no intervals"
        if self.gain is None:
            return said
        return f"{said}; CRPS {abs(self.gain):.0%} {'below' if self.gain >= 0 else 'above'} the baseline's"


def score(registration: Registration, actual: Table, *, digest: str = "") -> Scoring:
    """Hold a registered forecast against the runs that it was about.

    Args:
        registration: The forecast.
        actual: A table with the runs, each by its target's name; one run alone is the one target.
        digest: SHA-256 of the forecast's file, for the log.

    Raises:
        InputError: No target has a run, or none of what was forecast was measured there.
    """
    if not isinstance(registration, Registration):
        remedy = "Give one as flpjax.register made it, or flpjax.load of its file"
        raise InputError(f"{shown(registration)} is no registration", remedy=remedy)
    actual = read_runs(actual)
    made = registration.forecast
    finals = actual.finals()
    domains = registration.draws.model.domains
    finals = finals.with_average() if AVERAGE in domains else finals
    matched, notes = _matched(made.targets, finals, actual)
    cells: list[Scored] = []
    for i, row in matched.items():
        losses = dict(zip(finals.domains, finals.loss[row].tolist(), strict=True))
        scores = dict(zip(finals.task_names, finals.score[row].tolist(), strict=True))
        cells += _cells(registration, "loss", i, losses)
        cells += _cells(registration, "score", i, scores)
    if not cells:
        raise InputError(
            "nothing that was forecast was measured at the end of the runs",
            where=actual.source,
            remedy=f"Give final values of {some_of([*domains, *registration.draws.model.tasks], MOST_LISTED)}",
        )
    return Scoring(
        str(registration), registration.registered_at, digest, made.method, made.level, tuple(cells), tuple(notes)
    )


def _matched(targets: Sequence[Target], finals: Runs, actual: Runs) -> tuple[dict[int, int], list[str]]:
    """Target → row of its run, and what is to be said about it."""
    names = [finals.names[r] for r in finals.run]
    found = {i: names.index(target.name) for i, target in enumerate(targets) if target.name in names}
    notes = []
    unfinished = [f"'{target.name}'" for target in targets if target.name in actual.names]
    if not found and unfinished:
        raise InputError(
            f"no final value of {some_of(unfinished, MOST_LISTED)} is measured",
            where=actual.source,
            remedy=f"Score a run when it has ended; {final_value_rule(actual)}",
        )
    if not found and len(targets) == len(names) == 1:
        found = {0: 0}
        notes.append(f"run '{names[0]}' is taken for target '{targets[0].name}': there is one of each")
    if not found:
        raise InputError(
            f"no run is called as a target: {some_of([t.name for t in targets], MOST_LISTED)}",
            where=finals.source,
            remedy=f"Rename the runs that were forecast; there is: {some_of(actual.names, MOST_LISTED)}",
        )
    missing = [target.name for i, target in enumerate(targets) if i not in found]
    if missing:
        notes.append(f"not there yet: {some_of(missing, MOST_LISTED)}")
    for i, row in list(found.items()):
        flops = targets[i].flops or finals.flops[row]
        ratio = float(finals.flops[row] / flops)
        took = f"'{names[row]}' took {finals.flops[row]:.3g} FLOPs where {flops:.3g} were forecast"
        if max(ratio, 1.0 / ratio) > ANOTHER:
            del found[i]
            notes.append(f"{took}: another run, which is not scored")
        elif abs(ratio - 1.0) > FLOPS_TOLERANCE:
            notes.append(f"{took}: it is another run than the one that was asked about")
    if not found:
        raise InputError(notes[-1], where=actual.source, remedy="Score the run that was forecast, or forecast this one")
    return found, notes


def _cells(
    registration: Registration, kind: StageName, target: int, measured_values: Mapping[str, float]
) -> Iterator[Scored]:
    """Losses or scores of one target that were forecast and measured."""
    made, model, base = registration.forecast, registration.draws.model, registration.baseline
    if kind == "loss":
        names, intervals, drawn, other, columns = (
            model.domains,
            made.loss,
            made.loss_draws,
            base.loss,
            registration.domains,
        )
    else:
        columns = tuple(task.name for task in registration.tasks)
        names, intervals, drawn, other = model.tasks, made.score, made.score_draws, base.score
    for j, name in enumerate(names):
        value, found = measured_values.get(name, np.nan), intervals[target].get(name)
        if found is None or not np.isfinite(value):
            continue
        draws = drawn[:, target, j] if made.intervals else np.empty(0)
        rival = other[:, target, columns.index(name)] if name in columns else np.empty(0)
        yield Scored(
            target=made.targets[target].name,
            kind=kind,
            name=name,
            median=found.median,
            lower=found.lower,
            upper=found.upper,
            actual=value,
            rank=_rank(draws, value),
            crps=_crps(draws, value),
            baseline_crps=_crps(rival, value),
        )


def _rank(draws: NDArray[np.float64], value: float) -> float | None:
    known = draws[np.isfinite(draws)]
    return float(((known < value).mean() + (known <= value).mean()) / 2) if len(known) > 1 else None


def _crps(draws: NDArray[np.float64], value: float) -> float | None:
    known = draws[np.isfinite(draws)]
    return crps(np.sort(known), value) if len(known) > 1 else None
