"""``auto``: laws that a ladder can carry, each with a discrepancy, averaged by their evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.errors import count, some_of
from flpjax.fitting.averaging.audit import audited
from flpjax.fitting.averaging.average import Average, averaged, drawn, of_the_present
from flpjax.fitting.averaging.distinct import parts_of, renamed
from flpjax.fitting.averaging.origins import Origins
from flpjax.fitting.averaging.parts import Part
from flpjax.fitting.averaging.take_off import take_off_part
from flpjax.fitting.draws import NO_POINT, Draws, LadderSummary, check_draw_count, most_draws
from flpjax.fitting.point import training_of
from flpjax.fitting.validation import FEW_AHEAD, RollingValidation
from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import chance_warnings
from flpjax.methods.method import BoundModel, Method
from flpjax.methods.registry import Auto
from flpjax.methods.signs import positive_losses
from flpjax.numerics import generator, require_x64
from flpjax.readers.read import Table, read_runs

ORIGINS_SALT, BLEND_SALT, AUDIT_SALT = 5, 6, 7
BLENDED = 2000  # draws: more cost next to nothing, and 400 blur medians of scores by .2 points
FEWEST = 100  # draws: fewer would not tell a 90 % interval
MEMBERS = 16  # about as many as any table has

Floats = NDArray[np.float64]


class Methods(Protocol):
    """What is to be averaged."""

    def members(self, runs: Runs) -> dict[str, Method]:
        """Name → method, of the runs that a fit may see."""
        ...


def auto(
    runs: Table,
    key: Array,
    *,
    draws: int | None = None,
    methods: Methods | None = None,
    progress: Callable[[str], None] | None = None,
) -> Draws:
    """Average laws by the probability of what was measured, each with a discrepancy of its own.

    Every law of losses, and every map to scores, has a Gaussian process on top
    (:class:`~flpjax.laws.discrepancy.Discrepancy`): what the law may be wrong by, more the farther from the data. Its
    amplitude and the noise are averaged over a grid, laws by their marginal likelihood
    (:mod:`flpjax.fitting.averaging.evidence`). A draw takes each loss from one law, and each score from one map at
    those losses. The same is done as the ladder stood when its k smallest runs were all there was, for several k, and
    its forecasts of the runs that came are held against what they measured: that is the audit, which the draws carry.

    Args:
        runs: The ladder; held-out runs are not used.
        key: JAX random key.
        draws: Number of draws; None for the usual number, or as many as memory holds of a table of many tasks.
        methods: Which laws and maps; None takes those that suit the table.
        progress: Called with each method's name before it is fitted.

    Returns:
        Draws of a :class:`~flpjax.methods.blend.Blend`, with the audit of its past forecasts.

    Raises:
        InputError: No method can be fitted, or there are no draws.
        PrecisionError: JAX is in 32 bits.
    """
    runs = read_runs(runs)
    require_x64("fitting")
    width = MEMBERS * (len(runs.domains) + len(runs.tasks))
    draws = min(BLENDED, max(most_draws(width), FEWEST)) if draws is None else draws
    check_draw_count(draws, 2, "auto", width, NO_POINT)
    training = positive_losses(training_of(runs))
    origins = Origins.of(training, generator(key, ORIGINS_SALT))
    members = (methods or Auto()).members(training)
    laws, maps, left_out, bounds = parts_of(members, training, origins, key, progress)
    waiting = take_off_part(training, origins, _read_first(laws, training, getattr(methods, "via", None)))
    maps = [*renamed(maps), *([] if waiting is None else [waiting])]
    average = averaged(renamed(laws), maps, training, len(origins.train_mask))
    present = of_the_present(average)
    with ThreadPoolExecutor(1) as pool:
        audit = pool.submit(audited, average, training, origins, generator(key, AUDIT_SALT))
        model, params, noise = drawn(present, 0, draws, generator(key, BLEND_SALT))
        validation = replace(audit.result(), left_out=_not_fitted(average, training))
    parts = (*present.laws, *present.maps)
    ladder = LadderSummary.of(training, [p.stage for p in parts])
    fits = {f"{p.name}, {p.stage.name}": p.report for p in parts}
    signed = [f"loss '{d}' is not forecast: it may be negative, and auto is of positive losses" for d in runs.signed]
    warnings = (*ladder.remarks, *signed, *left_out, *_warnings(average, bounds, training, validation))
    return Draws(model, params, "blend", fits, ladder, warnings, fitted_noise=noise, validation=validation)


def _read_first(laws: Sequence[Part], training: Runs, via: str | None) -> tuple[str, ...]:
    """The losses that a score may be a function of, those first that methods go through; () without laws of losses."""
    named = {output for part in laws for output in part.outputs}
    wanted = ([via] if via in named else []) + [d for d in training.general_domains if d in named]
    return tuple(dict.fromkeys(filter(None, wanted)))


def _not_fitted(average: Average, training: Runs) -> tuple[str, ...]:
    """Runs and losses that all laws leave out."""
    found: dict[str, list[str]] = {}
    for part in average.laws:
        for output, rows in zip(part.outputs, part.rows, strict=True):
            for run in np.unique(rows.run[~rows.seen[0]]):
                outputs = found.setdefault(training.names[run], [])
                outputs += [output] if output not in outputs else []
    return tuple(f"run '{run}' ({some_of([repr(o) for o in outputs])})" for run, outputs in found.items())


def _warnings(
    average: Average, bounds: Sequence[BoundModel], training: Runs, validation: RollingValidation
) -> list[str]:
    """What no law forecasts and why, chance levels that nobody gave, a ladder without a past."""
    there = {*average.domains, *average.tasks}
    there -= {n for n, w in zip((*average.domains, *average.tasks), _totals(average), strict=True) if not w}
    warnings = chance_warnings(training.tasks)
    for name in dict.fromkeys((*training.domains, *training.task_names)):
        if name not in there:
            why = next((w for b in bounds for w in b.warnings if f"'{name}'" in w), "")
            warnings.append(why or f"'{name}' is not forecast: no method could be fitted to it")
    if validation.runs < FEW_AHEAD:
        warnings.append(
            f"the ladder's past has {count(validation.runs, 'run')} to learn from: intervals rest on what is usual "
            "elsewhere"
        )
    return warnings


def _totals(average: Average) -> Floats:
    """``(output,)`` 1 where some part forecasts it."""
    return np.concatenate([average.law_weight[0].sum(axis=0), average.map_weight[0].sum(axis=0)])
