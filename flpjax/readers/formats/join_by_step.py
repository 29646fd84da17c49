"""A join table that is a ladder itself: checkpoints of runs, to which scores of another source are joined by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from flpjax.errors import InputError, count, some_of
from flpjax.readers.formats.records import Records, RunRecords, columns_of_rows
from flpjax.readers.formats.steps import TOLERANCE

MOST_LISTED = 6

Checkpoints = Mapping[str, Sequence[tuple[float, Mapping[str, float]]]]
"""Run → step and values of each checkpoint; step and values of what is blank are not there."""


def with_checkpoints(records: Records, checkpoints: Checkpoints, table: str) -> Records:
    """Records with the checkpoints of the same runs: joined where steps agree, the others beside them.

    Args:
        records: Rows with steps.
        checkpoints: What a ladder says of the runs.
        table: What to call the ladder in messages.

    Raises:
        InputError: No run is in both, or none of their rows is near a checkpoint.
    """
    runs, lacking, away, far = [], [], [], 0
    for run in records.runs:
        there = checkpoints.get(run.run)
        if there is None:
            lacking.append(run.run)
            continue
        steps = np.array([step for step, _ in there])
        at = run.column("step") if "step" in run.columns else np.full(len(run), steps[-1])
        nearest = [int(np.abs(steps - step).argmin()) if np.isfinite(step) else len(steps) - 1 for step in at]
        apart = [
            abs(float(steps[k]) - float(step)) / max(float(step), 1.0) if np.isfinite(step) else 0.0
            for k, step in zip(nearest, at, strict=True)
        ]
        kept = [i for i, distance in enumerate(apart) if distance <= TOLERANCE]
        far += len(run) - len(kept)
        away += [apart[i] for i in kept]
        runs.append(_joined(run, kept, [nearest[i] for i in kept], there, table))
    if not away:
        raise InputError(
            f"no row of {records.source} is of a run and step of it",
            where=table,
            remedy=f"Call runs alike; there is: {some_of(list(checkpoints), MOST_LISTED)}; and "
            f"{some_of(lacking, MOST_LISTED)}",
        )
    notes = [
        *records.notes,
        f"{count(len(away), 'row')} joined to checkpoints of {table}, at most {max(away):.2%} of the step away "
        f"(tolerance: {TOLERANCE:.0%})",
    ]
    if far:
        notes.append(f"{count(far, 'row')} further than that from any checkpoint left out")
    if lacking:
        notes.append(f"{count(len(lacking), 'run')} not in {table}, left out: {some_of(lacking, MOST_LISTED)}")
    return replace(records, runs=tuple(runs), notes=tuple(notes))


def _joined(
    run: RunRecords,
    rows: Sequence[int],
    nearest: Sequence[int],
    there: Sequence[tuple[float, Mapping[str, float]]],
    table: str,
) -> RunRecords:
    """All checkpoints of a run, some of them with what a row of the source says, which has the last word on scores."""
    own = {k: i for i, k in zip(rows, nearest, strict=True)}
    values = []
    for k, (step, known) in enumerate(there):
        said = {n: float(v[own[k]]) for n, v in run.columns.items() if np.isfinite(v[own[k]])} if k in own else {}
        values.append({**known, **said, "step": step})
    places = [
        run.places[own[k]] if k in own else f"{table}, run '{run.run}', step {step:g}"
        for k, (step, _) in enumerate(there)
    ]
    return RunRecords(run.run, columns_of_rows(values), places, [run.run] * len(places), run.ended, run.group)
