"""A bound model whose laws may be wrong: every stage's law with a discrepancy of its own."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from flpjax.ladder.features import Features
from flpjax.laws.discrepancy import Discrepancy
from flpjax.methods.method import BoundModel, Model, Stage


def with_discrepancy(bound: BoundModel) -> BoundModel:
    """The same model with :class:`~flpjax.laws.discrepancy.Discrepancy` around the law of every stage.

    A stage that is trained by a recipe, one in units of its own, and one whose law the model does not hold in a field,
    stay as they are.
    """
    model, stages = bound.model, []
    for stage in bound.stages:
        fitting = stage.recipe is None and not stage.units
        name = _field_of(model, stage) if fitting else None
        if name is not None:
            wider = _with_discrepancy(stage)
            model = replace(model, **{name: wider})  # type: ignore[type-var]
            stage = replace(stage, residual=replace(stage.residual, law=wider))
        stages.append(stage)
    return replace(bound, model=model, stages=tuple(stages))


def _field_of(model: Model, stage: Stage) -> str | None:
    """The field of a model that holds a stage's law."""
    if not is_dataclass(model):
        return None
    return next((f.name for f in fields(model) if getattr(model, f.name) == stage.law), None)


def _with_discrepancy(stage: Stage) -> Discrepancy:
    used = stage.weight > 0
    if isinstance(stage.x, Features):
        some = used.any(axis=0)
        x: Any = Features({name: np.asarray(v)[0][some] for name, v in stage.x.items()})
    else:
        x = np.asarray(stage.x)[used]
    centred = Discrepancy(stage.law, stage.residual.space).centred(x)
    return replace(centred, law=stage.law)
