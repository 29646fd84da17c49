"""How well each method would have forecast the largest models there already are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jax import Array

from flpjax.answers.forecast import Interval, check_level, forecast, predict_from_loss
from flpjax.answers.record import Backtest, Cell, Record
from flpjax.answers.target import targets_of
from flpjax.errors import FitError, InputError
from flpjax.fitting.draws import Draws
from flpjax.fitting.fit import Method, fit
from flpjax.numerics import require_x64
from flpjax.runs.table import AVERAGE, Runs


def backtest(
    methods: Mapping[str, Method],
    runs: Runs,
    key: Array,
    *,
    draws: int = 200,
    level: float = 0.9,
    progress: Callable[[str], None] | None = None,
) -> Backtest:
    """Fit every method on the runs that are not held out and score its forecasts of those that are.

    A method that the ladder can't carry is reported as failed, with the reason; the others go on.

    Args:
        methods: Name → predictor, or :class:`flpjax.Auto`.
        runs: The ladder, with targets held out (:meth:`Runs.hold_out`).
        key: JAX random key; every method gets the same, so that they see the same resamples.
        draws: Bootstrap draws; 0 for point fits without intervals.
        level: Probability of the intervals.
        progress: Called with each method's name before it is fitted.

    Raises:
        InputError: Nothing is held out, nothing else is left, or a held-out run is not finished.
        PrecisionError: JAX is in 32 bits.
    """
    if not runs.held_out.any():
        raise InputError("no run is held out", where=runs.source, remedy="Name some, or hold out the largest K")
    if runs.held_out.all():
        raise InputError("all runs are held out", where=runs.source, remedy="Leave some to fit on")
    check_level(level)
    require_x64("a backtest")
    if draws < 0:
        raise InputError(f"{draws} draws", where="backtest", remedy="Ask for 0 (no intervals) or more")
    actual = runs.targets().finals()
    unfinished = sorted(set(runs.targets().names) - set(actual.names))
    if unfinished:
        raise InputError(
            f"held-out runs without a final checkpoint: {', '.join(unfinished)}",
            where=runs.source,
            remedy="Hold out finished runs, or mark their last rows final",
        )
    records: dict[str, Record] = {}
    via: dict[str, tuple[str, ...]] = {}
    for name, predictor in methods.items():
        if progress is not None:
            progress(name)
        try:
            fitted = fit(predictor, runs, key, draws=draws)
            records[name] = record_of(fitted, runs, level=level, method=name)
        except (InputError, FitError) as error:
            records[name] = Record(failed=str(error))
            continue
        through = sorted({i for task in fitted.model.via for i in task}) or ([0] if fitted.past else [])
        via[name] = tuple(fitted.model.domains[i] for i in through[: len(fitted.model.domains)])
    return Backtest(actual.names, level, records, via)


def record_of(draws: Draws, runs: Runs, *, level: float = 0.9, method: str = "") -> Record:
    """Score any Draws on the held-out runs.

    Args:
        draws: Fitted on the runs that are not held out.
        runs: The ladder with its targets.
        level: Probability of the intervals.
        method: What to call the method in warnings.

    Raises:
        InputError: Nothing is held out.
    """
    actual = runs.targets().finals()
    if AVERAGE in draws.model.domains:
        actual = actual.with_average()
    seen = forecast(draws, targets_of(actual), level=level, method=method)
    model = draws.model
    columns = [actual.domains.index(d) for d in model.domains]
    from_loss = predict_from_loss(model, draws.params, actual.loss[:, columns])
    with_true_loss = None if from_loss is None else np.clip(from_loss, 0.0, 1.0)

    def true_loss(i: int, j: int) -> float | None:
        if with_true_loss is None:
            return None
        found = Interval.of(with_true_loss[:, i, j], seen.level)
        return None if found is None else found.median

    scores = [
        Cell(actual.names[i], task, v.median, v.lower, v.upper, float(actual.score_of(task)[i]), true_loss(i, j))
        for i in range(len(actual))
        for j, task in enumerate(model.tasks)
        if (v := seen.score[i].get(task)) is not None and np.isfinite(actual.score_of(task)[i])
    ]
    losses = [
        Cell(actual.names[i], domain, v.median, v.lower, v.upper, float(actual.loss_of(domain)[i]))
        for i in range(len(actual))
        for domain in model.domains
        if (v := seen.loss[i].get(domain)) is not None and np.isfinite(actual.loss_of(domain)[i])
    ]
    return Record(tuple(scores), tuple(losses), seen.warnings, intervals=draws.kind != "point")
