"""One fit: the best parameters, staged as in the paper or both stages jointly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.settings import Settings
from flpjax.errors import InputError, count
from flpjax.fitting.draws import Draws, StageFit, make_draws
from flpjax.fitting.joint import refine
from flpjax.fitting.staged import Vectors, fit_stage, judge
from flpjax.ladder.table import Runs
from flpjax.methods.method import BoundModel, Method
from flpjax.numerics import generator, require_x64
from flpjax.readers.read import Table, read_runs

STEPS = 500  # laws with dozens of parameters creep at the end; the others never get there


def point(
    method: Method,
    runs: Table,
    key: Array,
    *,
    joint: bool = False,
    starts: int | None = None,
    settings: Settings | None = None,
    strict: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Draws:
    """Fit a method to the runs that are not held out.

    Returns Draws with one draw; of kind ``"tied"``, with several, where starts of a network fit the ladder equally
    well: one of them is not a forecast.

    Args:
        method: The method.
        runs: The ladder.
        key: JAX random key, for the starts.
        joint: Fit both stages in one objective (see :mod:`flpjax.fitting.joint`) instead of one after the other.
        starts: Starts per fit; None for 8, or 32 of a network.
        settings: Of the solver.
        strict: Raise if any fit fails; otherwise leave that output out, with a warning.
        progress: Called with what is fitted, before it is.

    Raises:
        FitError: A fit did not converge.
        InputError: The ladder can't carry the method.
        PrecisionError: JAX is in 32 bits.
    """
    runs = read_runs(runs)
    bound = bind(method, runs)
    vectors, _, fits = fit_stages(bound, np.ones((1, len(bound.runs.names))), key, starts, settings, progress)
    warnings = bound.warnings + judge(fits, strict)
    ties = max(len(v) for v in vectors.values())
    vectors = {name: v[np.arange(ties) % len(v)] for name, v in vectors.items()}
    if joint:
        vectors = refine(bound, vectors, np.ones((ties, len(bound.runs.names))))
    return make_draws(bound, vectors, "point" if ties == 1 else "tied", fits, warnings)


def bind(method: Method, runs: Table) -> BoundModel:
    """Bind a method to the runs that a fit may see: choose its checkpoints, and centre its laws on them.

    Args:
        method: Of one model; ``auto`` blends several.
        runs: The ladder; held-out runs are left out.

    Returns:
        The model, with the data of its stages, as fits take them.

    Raises:
        InputError: No run is left, the ladder can't carry the method, or it is a blend of several.
        PrecisionError: JAX is in 32 bits.
    """
    runs = read_runs(runs)
    if not hasattr(method, "bind"):
        name = type(method).__name__
        if isinstance(method, str):
            raise InputError(f"'{method}' is the name of a method", remedy=f"Give flpjax.method('{method}')")
        raise InputError(f"{name} blends several methods, which are fitted together", remedy="Use flpjax.fit()")
    require_x64("fitting")
    return method.bind(training_of(runs))


def training_of(runs: Runs) -> Runs:
    """The runs that a fit may see.

    Raises:
        InputError: There is none.
    """
    if not len(runs):
        raise InputError("no run is left", where=runs.source, remedy="Leave fewer runs out")
    if runs.held_out.all():
        raise InputError("all runs are held out", where=runs.source, remedy="Leave some to fit on")
    return runs.training()


def fit_stages(
    bound: BoundModel,
    counts: NDArray[np.float64],
    key: Array,
    starts: int | None,
    settings: Settings | None,
    progress: Callable[[str], None] | None = None,
) -> tuple[Vectors, dict[str, NDArray[np.int32]], dict[str, StageFit]]:
    """Fit every stage under every draw's counts ``(draw, run)``, of which the first takes every run once.

    Returns:
        Stage → unconstrained vectors ``(draw, output, p)``, statuses ``(draw, output)``, and how the first draw ended.
    """
    vectors: Vectors = {}
    statuses: dict[str, NDArray[np.int32]] = {}
    fits: dict[str, StageFit] = {}
    for i, stage in enumerate(bound.stages):
        if progress is not None:
            progress(f"{count(len(stage.outputs), stage.name)} × {count(len(counts), 'draw')}")
        fitted = fit_stage(stage, counts, generator(key, i), starts, settings or Settings(steps=STEPS))
        vectors[stage.name], statuses[stage.name], fits[stage.name] = fitted[:3]
    return vectors, statuses, fits
