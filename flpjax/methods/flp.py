"""FLP: compute → loss → score, in two stages, with any law in either."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.engine.recipe import Recipe
from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.features import Features
from flpjax.ladder.joined import losses_at_scores
from flpjax.ladder.select import Selection
from flpjax.ladder.table import AVERAGE, Runs
from flpjax.laws.law import Law, Space, falls
from flpjax.laws.loss_score import Linear
from flpjax.laws.power_law import PowerLaw
from flpjax.laws.residual import TYPICAL_NOISE, Residual
from flpjax.methods.emergence import emerged_checkpoints
from flpjax.methods.inputs import Inputs, inputs_of
from flpjax.methods.method import BoundModel, Prediction, Signed, Stage, StageParams, Units, final_losses, recipe_for
from flpjax.methods.remedies import without_losses

OWN: Literal["own"] = "own"


@dataclass(frozen=True)
class TwoStageModel:
    """FLP bound to a ladder's domains and tasks."""

    compute_loss: Law
    loss_score: Law
    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    via: tuple[tuple[int], ...]  # (task,) the domain that each task's score is a function of
    sources: tuple[str, ...] = ()
    singular: bool = False
    signed: Signed = ()
    units: Units = ()  # (task,) chance level and the way from it to 1, of scores that the map gives as skills; or ()

    @property
    def falling(self) -> frozenset[str]:
        """The tasks whose map is of scores that fall with compute."""
        return frozenset(self.tasks if falls(self.loss_score) else ())

    @property
    def inputs(self) -> Inputs:
        """The features that the law of stage 1 reads."""
        return inputs_of(self.compute_loss)

    def apply(self, params: StageParams, x: Features) -> Prediction:
        """Losses ``(domain,)`` and scores ``(task,)`` at the compute of one target."""
        loss = jax.vmap(lambda p: self.compute_loss.apply(p, x))(params["loss"])
        return Prediction(loss, self.score_from_loss(params, loss))

    def score_from_loss(self, params: StageParams, loss: Array) -> Array:
        """Scores ``(task,)`` at known losses ``(domain,)``."""
        if not self.tasks:
            return jnp.zeros((0,), loss.dtype)
        score = jax.vmap(self.loss_score.apply)(params["score"], loss[jnp.array(self.via)[:, 0]])
        if not self.units:
            return score
        zero, unit = jnp.array(self.units, score.dtype).T
        return zero + unit * score


@dataclass(frozen=True)
class FLP:
    """FLOPs → loss → performance (Chen et al. 2024, §2).

    The loss is fitted on each run's final checkpoint, the score on the checkpoints that ``selection`` keeps. The
    defaults are the paper's, but for the warm-up that ``Selection`` leaves out; ``via="own"`` makes it Llama 3's two
    stages, through each task's own loss.

    Attributes:
        compute_loss: Form of stage 1.
        loss_score: Form of stage 2.
        via: The loss domain that scores are a function of; None takes the table's first, ``"average"`` the mean of
            all, ``"own"`` the domain that has the task's name (the negative log-likelihood, or bits per byte, of the
            right answers).
        selection: The checkpoints that fit stage 2.
        space: Residuals of stage 1: of log losses, or ``"linear"``.
        huber: Corner of the Huber loss on the residuals of stage 1; None for squared loss.
        prior: Weigh the laws' priors in, against the typical noise of losses and scores. They keep an irreducible
            loss or a ceiling, which small ladders hardly determine, from running away.
        skill: Fit stage 2 to skills, ``(P − chance) / (1 − chance)``: 0 is chance level for every task.
        scores: Whether scores are forecast; without, it is a method of losses alone.
        recipe: How a network is trained, in either stage.
        tasks: The tasks to forecast; () all.
    """

    compute_loss: Law = field(default_factory=PowerLaw)
    loss_score: Law = field(default_factory=Linear)
    via: str | None = None
    selection: Selection = field(default_factory=Selection)
    space: Space = "log"
    huber: float | None = None
    prior: bool = False
    skill: bool = False
    scores: bool = True
    recipe: Recipe = field(default_factory=Recipe)
    tasks: tuple[str, ...] = ()

    def bind(self, runs: Runs) -> BoundModel:
        """Bind to a ladder.

        Raises:
            InputError: No such domain, no loss at all, or fewer runs than parameters.
        """
        if not runs.domains:
            raise InputError(
                "there is no column 'loss/<domain>'",
                where=runs.source,
                remedy=f"FLP goes through a loss; {without_losses(runs)}",
            )
        if self.via == AVERAGE:
            runs = runs.with_average()
        domains, via = self._route(runs)
        noise = TYPICAL_NOISE[self.space] if self.prior else None
        residual = Residual(self.compute_loss, self.space, self.huber, noise)
        needed = frozenset(domains[d] for d in via) if self.scores else frozenset()
        stage_1, warned = final_losses(runs, residual, domains, needed, self.recipe)
        if not self.scores:
            model = TwoStageModel(stage_1.law, self.loss_score, stage_1.outputs, (), (), signed=stage_1.signed)
            return BoundModel(model, (stage_1,), runs, warned)
        loss = losses_at_scores(runs)[:, [runs.domains.index(domains[d]) for d in via]]
        emerged = emerged_checkpoints(runs, self.selection, loss, self.loss_score, self.tasks)
        if not emerged.tasks:
            return BoundModel(
                TwoStageModel(stage_1.law, self.loss_score, stage_1.outputs, (), (), signed=stage_1.signed),
                (stage_1,),
                runs,
                (*warned, *emerged.warnings),
            )
        x = np.where(emerged.keep, loss[:, emerged.tasks].T, 1.0)
        law = self.loss_score.centred(x[emerged.keep])
        scaled = getattr(law, "scaled", None)
        if scaled is not None:
            law = scaled(runs.score[:, emerged.tasks].T[emerged.keep])
        residual = Residual(law, "linear", None, TYPICAL_NOISE["linear"] if self.prior else None)
        stage_2 = emerged.stage(runs, residual, x, recipe_for(law, self.recipe))
        if self.skill:
            stage_2 = _skills(stage_2, [runs.tasks[i].chance for i in emerged.tasks])
        route = tuple((stage_1.outputs.index(domains[via[i]]),) for i in emerged.tasks)
        names = (stage_1.outputs, stage_2.outputs)
        chain = TwoStageModel(stage_1.law, law, *names, route, signed=stage_1.signed, units=stage_2.units)
        return BoundModel(chain, (stage_1, stage_2), runs, (*warned, *emerged.warnings))

    def _route(self, runs: Runs) -> tuple[tuple[str, ...], list[int]]:
        """The domains of stage 1, and for each task the position of its own among them."""
        if self.via == OWN:
            if not runs.tasks:
                raise InputError(
                    "there is no column 'score/<task>', whose own loss a score goes through",
                    where=runs.source,
                    remedy="Leave 'own' out: losses are forecast without, say with 'flp'",
                )
            lost = [t for t in runs.task_names if t not in runs.domains]
            if lost:
                raise InputError(
                    f"there is no column 'loss/{lost[0]}', the task's own loss",
                    where=runs.source,
                    remedy="Add the negative log-likelihood (or bits per byte) of the right answers, leave the task "
                    f"out ({len(lost)} of {len(runs.tasks)} tasks have none), or go through another loss, with "
                    "'power+sigmoid'",
                )
            return runs.task_names, list(range(len(runs.tasks)))
        domains = runs.general_domains
        via = self.via or domains[0]
        if via not in domains:
            raise InputError(f"there is no loss domain '{via}'", where=runs.source, remedy=did_you_mean(via, domains))
        return domains, [domains.index(via)] * len(runs.tasks)


def _skills(stage: Stage, chance: list[float]) -> Stage:
    """Scores as the share of the way from chance to 1."""
    units = tuple((c, 1.0 - c) for c in chance)
    zero, unit = np.array(units).T[:, :, None]
    return replace(stage, y=np.where(stage.weight > 0, (stage.y - zero) / unit, 0.5), units=units)
