"""The fit that a method by name asks for: a blend, a bootstrap, or one point."""

from __future__ import annotations

from collections.abc import Callable

from jax import Array

from flpjax.errors import InputError
from flpjax.fitting.blending.auto import auto
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.draws import Draws
from flpjax.fitting.point import point
from flpjax.predictors.auto import AUTO, Auto
from flpjax.predictors.methods import method
from flpjax.predictors.predictor import Predictor
from flpjax.runs.table import Runs

Method = Predictor | Auto


def method_of(name: str, via: str | None = None) -> Method:
    """The method of this name, ``auto`` among them.

    Args:
        name: ``auto``, or as :func:`flpjax.method` takes it.
        via: The loss domain that scores are a function of.

    Raises:
        InputError: There is no such method.
    """
    return Auto(via=via) if name == AUTO else method(name, via)


def fit(
    chosen: Method,
    runs: Runs,
    key: Array,
    *,
    draws: int = 200,
    joint: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Draws:
    """Fit as the method asks for: ``auto`` blends, others are resampled. What can't be fitted is left out, and said.

    Args:
        chosen: The method.
        runs: The ladder; held-out runs are not used.
        key: JAX random key.
        draws: Number of draws; 0 for a point fit.
        joint: Fit both stages in one objective.
        progress: Called with what is fitted, before it is.

    Raises:
        InputError: The ladder can't carry the method, or ``auto`` is asked for a point or a joint fit.
        FitError: Nothing could be fitted.
        PrecisionError: JAX is in 32 bits.
    """
    if isinstance(chosen, Auto):
        if joint:
            raise InputError("auto fits its methods stage by stage", remedy="Name a method, or leave joint out")
        if draws == 0:
            raise InputError("auto is a blend, which no single draw shows", remedy="Name a method, or ask for draws")
        return auto(runs, key, draws=draws, methods=chosen, progress=progress)
    if draws:
        return bootstrap(chosen, runs, key, draws=draws, joint=joint, strict=False, progress=progress)
    return point(chosen, runs, key, joint=joint, strict=False, progress=progress)
