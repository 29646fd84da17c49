"""How likely a task that is at chance on the whole ladder has left it by a target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import some_of
from flpjax.fitting.draws import Draws
from flpjax.laws.take_off import TakeOff
from flpjax.methods.blend import Blend
from flpjax.results.target import Target


def take_offs(draws: Draws, targets: Sequence[Target], loss: NDArray[np.float64]) -> tuple[dict[str, float], ...]:
    """Per target, task at chance → share of the draws in which it has begun to rise there.

    Args:
        draws: Of any model; only a blend has such tasks.
        targets: With FLOPs.
        loss: ``(draw, target, domain)``.
    """
    model = draws.model
    found: tuple[dict[str, float], ...] = tuple({} for _ in targets)
    if not isinstance(model, Blend):
        return found
    for i, part in enumerate(model.maps):
        if not isinstance(part.law, TakeOff):
            continue
        onset = np.asarray(draws.params[f"score {i}"]["onset"])
        for j, task in enumerate(part.tasks):
            for t, target in enumerate(targets):
                along = (
                    np.log(target.flops or np.nan) if part.law.of_compute else -np.log(loss[:, t, part.through[j][0]])
                )
                known = np.isfinite(np.broadcast_to(along, len(onset)))
                if known.any():
                    found[t][model.tasks[task]] = float((along > onset[:, j])[known].mean())
    return found


def words(targets: Sequence[Target], found: Sequence[dict[str, float]]) -> list[str]:
    """One sentence a target; tasks with the same chance together."""
    said = []
    for target, tasks in zip(targets, found, strict=True):
        groups: dict[str, list[str]] = {}
        for task, share in tasks.items():
            groups.setdefault(f"{100 * share:.0f} %", []).append(f"'{task}'")
        if groups:
            each = ", ".join(f"{share} ({some_of(names)})" for share, names in groups.items())
            said.append(f"at chance so far; chance of take-off by target '{target.name}': {each}")
    return said
