"""What runs of a ladder of mixtures reached, at the size nearest to a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.ladder.table import Runs
from flpjax.results.target import Target

SAME_SIZE = 1.05  # ratio of FLOPs up to which two runs are of one size


@dataclass(frozen=True, eq=False)
class Measured:
    """One run, at the end of its training.

    Attributes:
        run: Its name.
        weights: ``(source,)`` its mixture.
        params: N.
        flops: C.
        held_out: Whether no fit has seen it.
        values: ``(output,)`` its scores or losses; NaN where it was not measured.
    """

    run: str
    weights: NDArray[np.float64]
    params: float
    flops: float
    held_out: bool
    values: NDArray[np.float64]

    def to_dict(self, sources: tuple[str, ...], outputs: tuple[str, ...]) -> dict[str, Any]:
        """As JSON has it; what was not measured is left out."""
        return {
            "run": self.run,
            "params": self.params,
            "flops": self.flops,
            "held_out": self.held_out,
            "weights": dict(zip(sources, map(float, self.weights), strict=True)),
            "values": {n: float(v) for n, v in zip(outputs, self.values, strict=True) if np.isfinite(v)},
        }


def measured_near(
    runs: Runs, target: Target, sources: tuple[str, ...], outputs: tuple[str, ...], kind: str
) -> tuple[Measured, ...]:
    """The runs whose FLOPs are nearest to the target's, and all others of that size, held-out ones among them.

    Args:
        runs: The ladder, with mixtures of these sources.
        target: With its FLOPs.
        sources: ``(source,)`` the order of weights.
        outputs: ``(output,)`` names of tasks or of loss domains.
        kind: ``"score"`` or ``"loss"``.
    """
    finals = runs.finals()
    if not len(finals) or any(source not in finals.sources for source in sources):
        return ()
    known = finals.task_names if kind == "score" else finals.domains
    read = finals.score_of if kind == "score" else finals.loss_of
    values = np.stack([read(n) if n in known else np.full(len(finals), np.nan) for n in outputs], axis=1)
    mix = np.stack([finals.mix[:, finals.sources.index(s)] for s in sources], axis=1)
    usable = np.isfinite(values).any(axis=1) & np.isfinite(mix).all(axis=1)
    if not usable.any():
        return ()
    away = np.abs(np.log(finals.flops) - np.log(target.flops or np.nan))
    nearest = int(np.where(usable, away, np.inf).argmin())
    same = usable & (np.abs(np.log(finals.flops / finals.flops[nearest])) <= np.log(SAME_SIZE))
    return tuple(
        Measured(
            finals.names[finals.run[i]],
            mix[i],
            float(finals.params[i]),
            float(finals.flops[i]),
            bool(finals.held_out[finals.run[i]]),
            values[i],
        )
        for i in np.flatnonzero(same)
    )
