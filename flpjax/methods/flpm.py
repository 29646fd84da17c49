"""FLP-M: compute per source → loss per domain → score, with any mixture law and any map from domain losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.engine.recipe import Recipe
from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.features import Features
from flpjax.ladder.joined import losses_at_scores
from flpjax.ladder.select import Selection
from flpjax.ladder.table import Floats, Runs
from flpjax.laws.law import Law, Space
from flpjax.laws.mixture_loss import M4
from flpjax.laws.network import Network
from flpjax.laws.residual import TYPICAL_NOISE, Residual
from flpjax.methods.emergence import Emerged, emerged_checkpoints
from flpjax.methods.inputs import Inputs, inputs_of
from flpjax.methods.method import (
    BoundModel,
    Prediction,
    Signed,
    Stage,
    StageParams,
    Units,
    enough_runs,
    final_losses,
    recipe_for,
)
from flpjax.methods.mixtures import check_mixtures, log_flops_of, own_first, upper_half
from flpjax.methods.remedies import without_losses


@dataclass(frozen=True)
class MixtureModel:
    """FLP-M bound to a ladder's sources, domains and tasks."""

    compute_loss: Law
    loss_score: Law
    sources: tuple[str, ...]
    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    order: tuple[tuple[int, ...], ...] = ()  # (domain, source) the sources as each domain's law takes them; or ()
    signed: Signed = ()
    units: Units = ()  # (domain,) of losses that the law gives standardised; or ()

    @property
    def inputs(self) -> Inputs:
        """The features that the law of stage 1 reads."""
        return inputs_of(self.compute_loss)

    @property
    def singular(self) -> bool:
        """Whether a source without compute makes losses zero or infinite."""
        return bool(getattr(self.compute_loss, "singular", False))

    @property
    def via(self) -> tuple[tuple[int, ...], ...]:
        """``(task,)`` every score is a function of all domains."""
        return (tuple(range(len(self.domains))),) * len(self.tasks)

    def apply(self, params: StageParams, x: Features) -> Prediction:
        """Losses ``(domain,)`` and scores ``(task,)`` at the compute and mixture of one target."""
        if self.order:
            rolled = jnp.asarray(x.weights)[jnp.array(self.order)]
            loss = jax.vmap(lambda p, w: self.compute_loss.apply(p, x.replace(mix=w)))(params["loss"], rolled)
        else:
            loss = jax.vmap(lambda p: self.compute_loss.apply(p, x))(params["loss"])
        if self.units:
            zero, unit = jnp.array(self.units, loss.dtype).T
            loss = zero + unit * loss
        return Prediction(loss, self.score_from_loss(params, loss))

    def score_from_loss(self, params: StageParams, loss: Array) -> Array:
        """Scores ``(task,)`` at known losses ``(domain,)``."""
        if not self.tasks:
            return jnp.zeros((0,), loss.dtype)
        return jax.vmap(lambda p: self.loss_score.apply(p, loss))(params["score"])


@dataclass(frozen=True)
class FLPM:
    """FLOPs per source → domain losses → performance (Chen et al. 2024, §4).

    Domain losses are fitted on each run's final checkpoint, scores on the checkpoints that ``selection`` keeps. The
    defaults are the paper's: M4, and a network trained by its recipe from many starts, all but the best of which are
    kept too if they fit as well. A ladder without tasks has the first stage only.

    Attributes:
        compute_loss: Form of stage 1, of :mod:`flpjax.laws.mixture_loss` or :mod:`flpjax.laws.mixture_laws`.
        loss_score: Form of stage 2, of :mod:`flpjax.laws.network`.
        domains: The loss domains that scores are a function of; () for all that are no task's own loss.
        selection: The checkpoints that fit stage 2.
        space: Residuals of stage 1: of log losses, or ``"linear"``. A law that wants standardised losses has its own.
        huber: Corner of the Huber loss on the residuals of stage 1; None for squared loss.
        prior: Weigh the laws' priors in, against the typical noise of losses and scores.
        recipe: How a network is trained, in either stage.
        recent: Fit stage 1 to the runs in the upper half of the ladder's range of log FLOPs only: small models may
            bend, or have learnt nothing yet, and say little of what lies beyond the large ones.
    """

    compute_loss: Law = field(default_factory=M4)
    loss_score: Law = field(default_factory=Network)
    domains: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    space: Space = "log"
    huber: float | None = None
    prior: bool = False
    recipe: Recipe = field(default_factory=Recipe)
    recent: bool = False

    def bind(self, runs: Runs) -> BoundModel:
        """Bind to a ladder.

        Raises:
            InputError: No sources or no such domain; fewer runs than parameters; or a mixture that the law is
                singular at.
        """
        domains = _domains(runs, self.domains)
        warnings = check_mixtures(runs, self.compute_loss, domains)
        noise = TYPICAL_NOISE[self.space] if self.prior else None
        residual = Residual(self.compute_loss, self.space, self.huber, noise)
        needed = frozenset(domains) if runs.tasks else frozenset()
        stage_1, warned = final_losses(runs, residual, domains, needed, self.recipe)
        if getattr(self.compute_loss, "standardised", False):
            stage_1 = _standardised(stage_1)
        if self.recent:
            stage_1 = _recent(stage_1, runs)
        order: tuple[tuple[int, ...], ...] = ()
        if getattr(self.compute_loss, "own_first", False):
            order = own_first(runs, stage_1.outputs)
            stage_1 = replace(stage_1, x=_reordered(stage_1.x, order))
        outputs = (runs.sources, stage_1.outputs, ())
        model = MixtureModel(stage_1.law, self.loss_score, *outputs, order, stage_1.signed, stage_1.units)
        if not runs.tasks:
            return BoundModel(model, (stage_1,), runs, (*warnings, *warned))
        loss = losses_at_scores(runs)[:, [runs.domains.index(d) for d in stage_1.outputs]]
        average = np.repeat(loss.mean(axis=1, keepdims=True), len(runs.tasks), axis=1)
        whole = np.isfinite(loss).all(axis=1)
        if not whole.any():
            raise InputError(
                f"no checkpoint has the losses of all domains ({', '.join(stage_1.outputs)})",
                where=runs.source,
                remedy="Measure them at the same checkpoints, name fewer (domains=…), or go through one, with 'flp'",
            )
        sized = self.loss_score.centred(loss[whole])
        emerged = emerged_checkpoints(runs, self.selection, average, sized)
        warnings += (*warned, *emerged.warnings)
        if not emerged.tasks:
            return BoundModel(model, (stage_1,), runs, warnings)
        stage_2 = self._scores(runs, emerged, loss)
        model = replace(model, loss_score=stage_2.law, tasks=stage_2.outputs)
        return BoundModel(model, (stage_1, stage_2), runs, warnings)

    def _scores(self, runs: Runs, emerged: Emerged, loss: Floats) -> Stage:
        """Stage 2: all tasks on the same rows, each with weights of its own."""
        used = np.asarray(emerged.keep.any(axis=0))
        law = self.loss_score.centred(loss[used])
        x = np.where(used[:, None], loss, loss[used].mean(axis=0))
        recipe, scaled = recipe_for(law, self.recipe), getattr(law, "scaled", None)
        if scaled is not None:
            scores = runs.score[used]
            law = scaled(scores[np.isfinite(scores)])
        residual = Residual(law, "linear", None, TYPICAL_NOISE["linear"] if self.prior else None)
        return emerged.stage(runs, residual, np.broadcast_to(x, (len(emerged.tasks), *x.shape)), recipe)


def _domains(runs: Runs, chosen: Sequence[str]) -> tuple[str, ...]:
    """The domains asked for, or all general ones."""
    if not runs.domains:
        raise InputError(
            "there is no column 'loss/<domain>'",
            where=runs.source,
            remedy=f"FLP-M goes through domain losses; {without_losses(runs)}",
        )
    for name in chosen:
        if name not in runs.domains:
            raise InputError(
                f"there is no loss domain '{name}'", where=runs.source, remedy=did_you_mean(name, runs.domains)
            )
    if len(set(chosen)) < len(chosen):
        raise InputError("a loss domain is named twice", where="domains", remedy="Name each once")
    return tuple(chosen) or runs.general_domains


def _recent(stage: Stage, runs: Runs) -> Stage:
    """The stage without the runs in the lower half of the ladder.

    Raises:
        InputError: Too few are left.
    """
    kept = upper_half(log_flops_of(runs), np.ones(len(runs.names), bool))[stage.run]
    weight = stage.weight * kept
    for domain, rows in zip(stage.outputs, weight, strict=True):
        where = f"{runs.source}, loss '{domain}', upper half of the ladder"
        enough_runs(stage.law, int((rows > 0).sum()), where)
    return replace(stage, weight=weight)


def _standardised(stage: Stage) -> Stage:
    """Losses that are 0 at a domain's lowest and 1 a standard deviation above it."""
    used = stage.weight > 0
    units = []
    for y, mask in zip(stage.y, used, strict=True):
        spread = float(np.std(y[mask]))
        units.append((float(y[mask].min()), spread if spread > 0 else 1.0))
    zero, unit = np.array(units).T[:, :, None]
    residual = replace(stage.residual, space="linear", prior_sd=getattr(stage.law, "prior_sd", None))
    y = np.where(used, (stage.y - zero) / unit, 1.0)
    return replace(stage, residual=residual, y=y, units=tuple(units))


def _reordered(x: Features, order: tuple[tuple[int, ...], ...]) -> Features:
    """Inputs ``(domain, row, …)`` with each domain's sources in its own order."""
    weights = np.asarray(x.weights)
    return x.replace(mix=np.stack([weights[d][:, list(o)] for d, o in enumerate(order)]))
