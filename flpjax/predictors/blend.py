"""Several models as one: each draw takes each output from one of them, and departs from it with distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from flpjax.predictors.predictor import Model, Prediction, StageParams
from flpjax.runs.compute import Compute

MIXED = "blend"
"""The stage that holds what each draw takes from where, beside the members' own stages ``<member>/<stage>``."""


@dataclass(frozen=True)
class Blend:
    """Models that take turns.

    The parameters of stage :data:`MIXED` are, of each draw: ``loss_from`` ``(domain,)`` and ``score_from`` ``(task,)``,
    which member an output comes from; ``loss_drift`` ``(domain,)`` and ``score_drift`` ``(task,)``, by how much a log
    loss, or a score, departs from that member per e-fold of FLOPs beyond the ladder's largest run. The law itself is
    wrong far from the data, and no posterior of its parameters knows that.

    Attributes:
        members: The models.
        names: ``(member,)`` the methods they are.
        domains: ``(domain,)`` all losses that some member predicts.
        tasks: ``(task,)`` all scores that some member predicts.
        log_edge: log FLOPs of the largest run of the ladder.
        sources: ``(source,)`` the data sources that members read.
    """

    members: tuple[Model, ...]
    names: tuple[str, ...]
    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    log_edge: float
    sources: tuple[str, ...] = ()
    via: tuple[tuple[int, ...], ...] = ()

    @property
    def singular(self) -> bool:
        """Whether a source without compute makes some member's predictions zero or infinite."""
        return any(m.singular for m in self.members)

    def apply(self, params: StageParams, x: Compute) -> Prediction:
        """Losses ``(domain,)`` and scores ``(task,)`` at the compute of one target."""
        losses, scores = [], []
        for i, member in enumerate(self.members):
            told = member.apply(own(params, i), x)
            losses.append(_spread(told.loss, member.domains, self.domains))
            scores.append(_spread(told.score, member.tasks, self.tasks))
        mixed = params[MIXED]
        beyond = jnp.maximum(x.log_flops - self.log_edge, 0.0)
        loss = _take(losses, mixed["loss_from"]) * jnp.exp(mixed["loss_drift"] * beyond)
        return Prediction(loss, _take(scores, mixed["score_from"]) + mixed["score_drift"] * beyond)

    def score_from_loss(self, params: StageParams, loss: Array) -> None:
        """Nothing: members know losses of their own, or none."""


def own(params: StageParams, member: int) -> StageParams:
    """The parameters of one member."""
    head = f"{member}/"
    return {name.removeprefix(head): value for name, value in params.items() if name.startswith(head)}


def _spread(values: Array, names: Sequence[str], everyone: Sequence[str]) -> Array:
    """Values by ``names`` in the order of ``everyone``, NaN for those that are not among them."""
    if not everyone:
        return jnp.zeros((0,))
    return jnp.stack([values[names.index(n)] if n in names else jnp.nan * jnp.ones(()) for n in everyone])


def _take(values: list[Array], member: Array) -> Array:
    """Each output ``(output,)`` from its member."""
    if not len(values[0]):
        return values[0]
    return jnp.take_along_axis(jnp.stack(values), member[None, :], axis=0)[0]
