"""Several models as one: each draw takes each output from them in shares, and departs from it with distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from flpjax.ladder.features import Features
from flpjax.methods.inputs import Inputs
from flpjax.methods.method import Model, Prediction, StageParams

MIXED = "blend"
"""The stage that holds what each draw takes from where, beside the members' own stages ``<member>/<stage>``."""


@dataclass(frozen=True)
class Blend:
    """Models that share a forecast.

    The parameters of stage :data:`MIXED` are, of each draw: ``loss_share`` ``(member, domain)`` and ``score_share``
    ``(member, task)``, how much of a log loss, or of a score, comes from which member; ``loss_drift`` ``(domain,)`` and
    ``score_drift`` ``(task,)``, by how much it departs from that per e-fold of FLOPs beyond the ladder's largest run.
    The law itself is wrong far from the data, and no posterior of its parameters knows that.

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
    def inputs(self) -> Inputs:
        """The features that members read, and C: how far a target lies from the ladder."""
        return {"flops": "a blend", **{f: law for m in reversed(self.members) for f, law in m.inputs.items()}}

    @property
    def singular(self) -> bool:
        """Whether a source without compute makes some member's predictions zero or infinite."""
        return any(m.singular for m in self.members)

    def apply(self, params: StageParams, x: Features) -> Prediction:
        """Losses ``(domain,)`` and scores ``(task,)`` at the compute of one target."""
        losses, scores = [], []
        for i, member in enumerate(self.members):
            predicted = member.apply(own(params, i), x)
            losses.append(_spread(predicted.loss, member.domains, self.domains))
            scores.append(_spread(predicted.score, member.tasks, self.tasks))
        mixed = params[MIXED]
        beyond = jnp.maximum(x.log_flops - self.log_edge, 0.0)
        each = jnp.stack(losses)
        log_loss = jnp.where(each > 0, jnp.log(jnp.where(each > 0, each, 1.0)), jnp.nan)
        return Prediction(
            jnp.exp(_shared(log_loss, mixed["loss_share"]) + mixed["loss_drift"] * beyond),
            _shared(jnp.stack(scores), mixed["score_share"]) + mixed["score_drift"] * beyond,
        )

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


def _shared(values: Array, share: Array) -> Array:
    """Each output ``(output,)`` from members' ``(member, output)``; NaN where one that has a share has no value.

    The others can't speak for it: their weights and the drift were learned with it.
    """
    mean = jnp.sum(jnp.where(share > 0, share * values, 0.0), axis=0)
    return jnp.where((share > 0).any(axis=0), mean, jnp.nan)
