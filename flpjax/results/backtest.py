"""How well each method would have forecast the largest models there already are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.errors import FitError, InputError
from flpjax.fitting.draws import Draws, check_draw_count
from flpjax.fitting.fit import AnyMethod, fit, method_from
from flpjax.ladder.table import AVERAGE, Runs
from flpjax.ladder.unfinished import final_value_rule
from flpjax.numerics import require_x64
from flpjax.readers.read import Table, read_runs
from flpjax.results.forecast import Interval, check_level, forecast, predict_from_loss
from flpjax.results.record import Backtest, Cell, Record, crps
from flpjax.results.target import targets_of

NAMED = 4  # outputs that a message names


def backtest(
    methods: Mapping[str, AnyMethod] | Sequence[str],
    runs: Table,
    key: Array,
    *,
    draws: int | None = None,
    level: float = 0.9,
    progress: Callable[[str], None] | None = None,
) -> Backtest:
    """Fit every method on the runs that are not held out and score its forecasts of those that are.

    A method that the ladder can't carry is reported as failed, with the reason; the others go on.

    Args:
        methods: Name → method, or :class:`flpjax.Auto`; or names alone.
        runs: The ladder, with targets held out (:meth:`Runs.hold_out`).
        key: JAX random key; every method gets the same, so that they see the same resamples.
        draws: Draws of each method; 0 for point fits without intervals, None for the usual number.
        level: Probability of the intervals.
        progress: Called with each method's name before it is fitted.

    Raises:
        InputError: Nothing is held out, nothing else is left, or a held-out run is not finished.
        PrecisionError: JAX is in 32 bits.
    """
    runs = read_runs(runs)
    if not runs.held_out.any():
        raise InputError("no run is held out", where=runs.source, remedy="Name some, or hold out the largest K")
    if runs.held_out.all():
        raise InputError("all runs are held out", where=runs.source, remedy="Leave some to fit on")
    check_level(level)
    require_x64("a backtest")
    check_draw_count(0 if draws is None else draws, where="backtest")
    actual = runs.targets().finals()
    unfinished = sorted(set(runs.targets().names) - set(actual.names))
    if unfinished:
        raise InputError(
            f"held-out runs without a final checkpoint or any final value: {', '.join(unfinished)}",
            where=runs.source,
            remedy=f"Hold out finished runs, or mark their last rows final; {final_value_rule(runs)}",
        )
    records: dict[str, Record] = {}
    via: dict[str, tuple[str, ...]] = {}
    names = [methods] if isinstance(methods, str) else methods
    named = names if isinstance(names, Mapping) else {name: method_from(name) for name in names}
    for name, method in named.items():
        if progress is not None:
            progress(name)
        try:
            fitted = fit(method, runs, key, draws=draws)
            records[name] = record_of(fitted, runs, level=level, method=name)
        except (InputError, FitError) as error:
            records[name] = Record(failed=str(error))
            continue
        via[name] = tuple(fitted.model.domains[i] for i in fitted.loss_routes)
    return Backtest(actual.names, level, records, via)


def record_of(draws: Draws, runs: Runs, *, level: float = 0.9, method: str = "") -> Record:
    """Score any Draws on the held-out runs.

    Args:
        draws: Fitted on the runs that are not held out.
        runs: The ladder with its targets.
        level: Probability of the intervals.
        method: What to call the method in warnings.

    Raises:
        InputError: Nothing is held out, or nothing that was forecast was measured there.
    """
    actual = runs.targets().finals()
    if AVERAGE in draws.model.domains:
        actual = actual.with_average()
    seen = forecast(draws, targets_of(actual), level=level, method=method)
    model = draws.model
    scores = _cells(actual.names, model.tasks, seen.score, seen.score_draws, actual.score_of)
    losses = _cells(actual.names, model.domains, seen.loss, seen.loss_draws, actual.loss_of)
    if not scores and not losses:
        raise InputError(
            "nothing that the method forecasts was measured on the held-out runs",
            where=runs.source,
            remedy=f"Hold out runs with a final {' or '.join([*model.tasks, *model.domains][:NAMED])}",
        )
    return Record(
        tuple(_with_true_loss(scores, draws, actual, seen.level)), tuple(losses), seen.warnings, "", draws.has_intervals
    )


def _cells(
    targets: Sequence[str],
    names: Sequence[str],
    intervals: Sequence[Mapping[str, Interval]],
    drawn: NDArray[np.float64],
    measured: Callable[[str], NDArray[np.float64]],
) -> list[Cell]:
    """Target by target, what was both forecast and measured.

    Args:
        targets: ``(target,)``.
        names: ``(output,)`` tasks or domains.
        intervals: Per target, name → interval.
        drawn: ``(draw, target, output)``.
        measured: Name → ``(target,)``.
    """
    actual = np.array([measured(name) for name in names]).reshape(len(names), len(targets))
    cells = []
    for i, target in enumerate(targets):
        for j, name in enumerate(names):
            found = intervals[i].get(name)
            if found is None or not np.isfinite(actual[j, i]):
                continue
            values = drawn[:, i, j]
            score = crps(np.sort(values[np.isfinite(values)]), float(actual[j, i]))
            cells.append(Cell(target, name, found.median, found.lower, found.upper, float(actual[j, i]), crps=score))
    return cells


def _with_true_loss(cells: Sequence[Cell], draws: Draws, actual: Runs, level: float) -> list[Cell]:
    """Scores with their forecast from the targets' true losses, where a method has one."""
    model = draws.model
    loss = np.stack([actual.loss_of(d) for d in model.domains], axis=1) if model.domains else None
    from_loss = None if loss is None or not cells else predict_from_loss(model, draws.params, loss)
    if from_loss is None:
        return list(cells)
    known = np.clip(from_loss, 0.0, 1.0)
    found = []
    for cell in cells:
        at = known[:, actual.names.index(cell.target), model.tasks.index(cell.name)]
        value = Interval.of(at, level, draws.most_lost)
        found.append(replace(cell, true_loss=None if value is None else value.median))
    return found
