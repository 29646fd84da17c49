"""FP: compute straight to the score, the baseline that FLP is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.errors import InputError
from flpjax.ladder.features import Features
from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import chance_warnings
from flpjax.ladder.unfinished import final_value_rule
from flpjax.laws.law import Law, size
from flpjax.laws.power_law import PowerLaw
from flpjax.laws.residual import Residual
from flpjax.methods.inputs import Inputs, check_inputs, inputs_of
from flpjax.methods.method import BoundModel, Prediction, Stage, StageParams, enough_runs, tile_outputs
from flpjax.methods.mixtures import check_mixtures
from flpjax.methods.remedies import not_emerged, without_scores


@dataclass(frozen=True)
class DirectModel:
    """FP bound to a ladder's tasks."""

    compute_score: Law
    tasks: tuple[str, ...]
    domains: tuple[str, ...] = ()
    via: tuple[tuple[int, ...], ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def inputs(self) -> Inputs:
        """The features that the law reads."""
        return inputs_of(self.compute_score)

    @property
    def singular(self) -> bool:
        """Whether a source without compute makes scores zero or infinite."""
        return bool(getattr(self.compute_score, "singular", False))

    def apply(self, params: StageParams, x: Features) -> Prediction:
        """Scores ``(task,)`` at the compute of one target; no losses."""
        score = jax.vmap(lambda p: self.compute_score.apply(p, x))(params["score"])
        return Prediction(jnp.zeros((0,), score.dtype), score)

    def score_from_loss(self, params: StageParams, loss: Array) -> None:
        """Nothing: this model knows no loss."""


@dataclass(frozen=True)
class FP:
    """FLOPs → performance on final checkpoints (Chen et al. 2024, eq. 3; with ``LogPowerLaw``, eq. 6).

    Attributes:
        compute_score: The law; of compute per source, for the baseline *FLOPs* of §6.2, if it is one of mixtures.
        above_chance: Final checkpoints count only if they beat chance by this much; None takes all.
    """

    compute_score: Law = field(default_factory=PowerLaw)
    above_chance: float | None = 0.05

    def bind(self, runs: Runs) -> BoundModel:
        """Bind to a ladder.

        Raises:
            InputError: There is no score, or no task has as many emerged runs as the law has parameters.
        """
        if not runs.tasks:
            raise InputError(
                "there is no column 'score/<task>'",
                where=runs.source,
                remedy=f"FP needs scores; {without_scores(runs)}",
            )
        mixed = hasattr(self.compute_score, "mixtures_needed")
        mixture_warnings = check_mixtures(runs, self.compute_score) if mixed else ()
        finals = runs.finals()
        finals = finals.rows(np.isfinite(finals.score).max(axis=1))
        if not len(finals):
            raise InputError(
                "no run has a final score",
                where=runs.source,
                remedy=f"Measure scores where runs end: {final_value_rule(runs)}",
            )
        check_inputs(self.compute_score, finals)
        law = self.compute_score.centred(finals.law_inputs)
        enough_runs(law, len(finals), runs.source)
        y = finals.score.T
        chance = np.array([t.chance for t in runs.tasks])
        keep = np.isfinite(y)
        if self.above_chance is not None:
            keep &= np.where(keep, y, -np.inf) >= (chance + self.above_chance)[:, None]
        need = size(law)
        fit = keep.sum(1) > need  # as many runs as parameters leave nothing to say how sure the fit is
        warnings = [] if self.above_chance is None else chance_warnings(runs.tasks)
        warnings += [
            f"task '{t.name}' is not forecast: {k.sum()} of {len(finals)} runs end above chance, {need + 1} are needed"
            for t, k, ok in zip(runs.tasks, keep, fit, strict=True)
            if not ok
        ]
        if not fit.any():
            raise InputError(
                f"no task has {need + 1} runs that end above chance",
                where=runs.source,
                remedy=not_emerged(runs),
            )
        tasks = tuple(t.name for t, ok in zip(runs.tasks, fit, strict=True) if ok)
        stage = Stage(
            "score",
            Residual(law, "linear"),
            tasks,
            tile_outputs(finals.law_inputs, len(tasks)),
            np.where(keep, y, 0.5)[fit],
            keep[fit].astype(float),
            np.array([runs.names.index(n) for n in finals.names], np.int64)[finals.run],
        )
        straight = DirectModel(law, tasks, sources=runs.sources if mixed else ())
        return BoundModel(straight, (stage,), runs, (*mixture_warnings, *warnings))
