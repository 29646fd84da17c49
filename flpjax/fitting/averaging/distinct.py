"""The distinct laws of losses and maps to scores among methods, each fitted once, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import jax
import numpy as np
from jax import Array

from flpjax.engine.settings import Settings
from flpjax.errors import FitError, InputError, some_of
from flpjax.fitting.averaging.evidence import fit_outputs
from flpjax.fitting.averaging.hyperpriors import grid_of, log_weight
from flpjax.fitting.averaging.origins import Origins
from flpjax.fitting.averaging.parts import Part
from flpjax.fitting.averaging.rows import rows_of
from flpjax.fitting.point import STEPS
from flpjax.fitting.staged import fit_stage
from flpjax.ladder.table import Runs
from flpjax.laws.discrepancy import Discrepancy
from flpjax.methods.discrepant import with_discrepancy
from flpjax.methods.method import BoundModel, Method, Stage
from flpjax.numerics import generator

SINGLE_STEPS = Settings(steps=STEPS)
AT_ONCE = 2  # parts that are fitted at once: half of a fit is Python's, and more threads would wait for its lock


def parts_of(
    methods: Mapping[str, Method],
    runs: Runs,
    origins: Origins,
    key: Array,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[Part], list[Part], list[str], tuple[BoundModel, ...]]:
    """Bind methods, and fit every distinct law and map among them once.

    Returns:
        Laws of losses, maps to scores, why methods were left out, and the bound methods.

    Raises:
        InputError: No method can be bound.
    """
    parts: dict[object, Part] = {}
    reasons: dict[str, list[str]] = {}
    errors: list[InputError | FitError] = []
    bounds = []
    begun: dict[object, tuple[str, Future[Part]]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {name: _asked(method, runs) for name, method in methods.items()}
        for name, found in asked.items():
            for identity, stage, bound in found if isinstance(found, list) else []:
                if identity not in begun:
                    half = _half(name, stage, bound)
                    begun[identity] = half, pool.submit(_part, half, stage, bound, runs, origins, key)
        for name, found in asked.items():
            if progress is not None:
                progress(name)
            try:
                if isinstance(found, Exception):
                    raise found
                mine = {}
                for identity, stage, bound in found:
                    if identity not in parts:
                        half, part = begun[identity]
                        own = _half(name, stage, bound)  # another, if the method that began it takes no part
                        again = half != own
                        mine[identity] = _part(own, stage, bound, runs, origins, key) if again else part.result()
                parts |= mine
                bounds.append(found[0][2])
            except (InputError, FitError) as error:
                errors.append(error)
                reasons.setdefault(str(error), []).append(name)
    left_out = [f"{some_of(n)} {'takes' if len(n) == 1 else 'take'} no part: {why}" for why, n in reasons.items()]
    if not parts:
        (name, *others), first = methods, errors[0]
        why = first.what if others else f"{name} takes no part: {first.what}"
        raise InputError(f"no method can be fitted: {why}", where=first.where or runs.source, remedy=first.remedy)
    laws, maps = ([p for p in parts.values() if p.stage.name == kind] for kind in ("loss", "score"))
    return laws, maps, left_out, tuple(bounds)


def _asked(method: Method, runs: Runs) -> list[tuple[object, Stage, BoundModel]] | Exception:
    """What there is to fit of a method, each stage with what tells it from others; or why it can't be bound."""
    try:
        bound = with_discrepancy(method.bind(runs))
    except (InputError, FitError) as error:
        return error
    return [(_identity(stage, bound), stage, bound) for stage in bound.stages]


def _half(name: str, stage: Stage, bound: BoundModel) -> str:
    """What a method's name says of one stage."""
    first, plus, second = name.partition("+")
    if not plus:
        return name if len(bound.stages) == 1 else f"{name}, {stage.name}"
    return first if stage.name == "loss" else second


def _identity(stage: Stage, bound: BoundModel) -> object:
    """Equal for stages with the same law, outputs, data, and losses that they read."""
    numbers = jax.tree.leaves((stage.x, stage.y, stage.weight))
    arrays = tuple(np.asarray(n).tobytes() for n in numbers)
    through = _through(stage, bound)
    return stage.name, stage.residual, stage.outputs, stage.units, stage.recipe, through, arrays


def _through(stage: Stage, bound: BoundModel) -> tuple[tuple[str, ...], ...]:
    if stage.name == "loss" or not bound.model.domains:
        return ()
    return tuple(tuple(bound.model.domains[i] for i in each) for each in bound.model.via)


def _part(name: str, stage: Stage, bound: BoundModel, runs: Runs, origins: Origins, key: Array) -> Part:
    space = stage.residual.space
    grid = grid_of(space, isinstance(stage.law, Discrepancy) and stage.law.cells > 0)
    rows = rows_of(stage, bound.runs, origins)
    of_loss = stage.name == "loss"
    shift = log_weight(name)
    fits = None
    trained = None
    if stage.recipe is not None:
        counts = np.ones((1, len(bound.runs.names)))
        trained = fit_stage(stage, counts, generator(key, 0), None, SINGLE_STEPS)
    else:
        fits = fit_outputs(stage.law, space, rows, grid, shift)
    ranks = [np.ndim(leaf) for leaf in jax.tree.leaves(stage.x)]
    return Part(
        name,
        stage,
        _through(stage, bound),
        ranks == [2],
        getattr(bound.model, "order", ()) if of_loss else (),
        bound.model.sources if of_loss or not bound.model.domains else (),
        grid,
        rows,
        fits,
        trained,
    )


def renamed(parts: list[Part]) -> list[Part]:
    """The same parts with names that differ: what is told twice says through what."""
    seen: dict[str, int] = {}
    found = []
    for part in parts:
        name = part.name
        own = bool(part.through) and all(t == (o,) for t, o in zip(part.through, part.outputs, strict=True))
        own |= not part.through and part.stage.name == "loss" and name in seen
        name = f"{name} (own loss)" if own and not name.endswith("(own loss)") else name
        seen[name] = seen.get(name, 0) + 1
        found.append(replace(part, name=name if seen[name] == 1 else f"{name} ({seen[name]})"))
    return found
