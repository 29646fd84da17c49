"""The methods that backtests compare, and a record of point fits."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import Array

from flpjax import Draws, Runs, forecast, method, targets_of
from flpjax.answers.forecast import predict_from_loss
from flpjax.answers.record import Cell, Record
from flpjax.predictors.methods import COMPUTE_LOSS, LOSS_SCORE, NAMED
from flpjax.predictors.predictor import Predictor

JOINT = ("flp", "chinchilla+sigmoid")  # also fitted with both stages in one objective


def all_methods() -> dict[str, Predictor]:
    """Every named method, and every form of stage 1 with every one of stage 2."""
    names = [*NAMED, *(f"{first}+{second}" for first in COMPUTE_LOSS for second in LOSS_SCORE)]
    return {name: method(name) for name in names}


def key(seed: int = 0) -> Array:
    """The random key of a backtest."""
    return jax.random.key(seed)


def point_record(fitted: Draws, runs: Runs, name: str = "") -> Record:
    """The record of a point fit on the targets of ``runs``, as ``backtest`` has it; its intervals have no width.

    Args:
        fitted: A point fit.
        runs: The ladder that holds the targets.
        name: What to call the method.
    """
    actual, model = runs.targets().finals(), fitted.model
    seen = forecast(fitted, targets_of(runs.targets()), method=name)
    columns = [actual.domains.index(d) for d in model.domains]
    from_loss = predict_from_loss(model, fitted.params, actual.loss[:, columns])
    true_loss = None if from_loss is None else np.clip(from_loss[0], 0.0, 1.0)  # as forecasts are
    scores, losses = [], []
    for i, target in enumerate(seen.targets):
        for task, v in seen.score[i].items():
            known = None if true_loss is None else float(true_loss[i, model.tasks.index(task)])
            truth = float(actual.score_of(task)[i])
            scores.append(Cell(target.name, task, v.median, v.lower, v.upper, truth, known))
        for domain, v in seen.loss[i].items():
            truth = float(actual.loss_of(domain)[i])
            losses.append(Cell(target.name, domain, v.median, v.lower, v.upper, truth))
    return Record(tuple(scores), tuple(losses), seen.warnings)


def record_json(record: Record, draws: int) -> dict[str, Any]:
    """A record as JSON has it; a point fit has neither coverage nor width."""
    found = record.to_dict() | {"draws": draws}
    return found if draws else found | {"coverage": None, "width": None}
