"""Laws of losses and maps to scores that share a forecast: each draw takes each output from one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from flpjax.ladder.features import Features
from flpjax.laws.law import Law, Params, falls
from flpjax.methods.inputs import Inputs, inputs_of
from flpjax.methods.method import Prediction, StageParams, Units

SHARES = "shares"
"""The stage that holds what each draw takes: of laws ``loss`` ``(law, domain)``, of maps ``score`` ``(map, task)``; and
``lowest`` ``(task,)``, below which no score is expected."""


@dataclass(frozen=True)
class LossLaw:
    """One law of losses.

    Attributes:
        name: What it is called.
        law: The formula.
        domains: ``(output,)`` where its losses stand among the blend's.
        order: ``(output, source)`` the sources as each domain's law takes them; or ().
        units: ``(output,)`` zero and unit of losses that it gives standardised; or ().
    """

    name: str
    law: Law
    domains: tuple[int, ...]
    order: tuple[tuple[int, ...], ...] = ()
    units: Units = ()

    def apply(self, params: Params, x: Features) -> Array:
        """``(output,)`` losses of one target."""
        if self.order:
            rolled = jnp.asarray(x.weights)[jnp.array(self.order)]
            loss = jax.vmap(lambda p, w: self.law.apply(p, x.replace(mix=w)))(params, rolled)
        else:
            loss = jax.vmap(lambda p: self.law.apply(p, x))(params)
        if self.units:
            zero, unit = jnp.array(self.units, loss.dtype).T
            loss = zero + unit * loss
        return loss


@dataclass(frozen=True)
class ScoreMap:
    """One map from losses to scores, or from compute.

    Attributes:
        name: What it is called.
        law: The formula.
        tasks: ``(output,)`` where its scores stand among the blend's.
        through: ``(output, loss)`` where the losses that it reads stand among the blend's; () of a map of compute.
        single: Whether the formula takes one loss, rather than a vector.
        units: ``(output,)`` zero and unit of scores that it gives as skills; or ().
    """

    name: str
    law: Law
    tasks: tuple[int, ...]
    through: tuple[tuple[int, ...], ...] = ()
    single: bool = True
    units: Units = ()

    def apply(self, params: Params, loss: Array, x: Features) -> Array:
        """``(output,)`` scores at the losses ``(domain,)`` of one target."""
        if not self.through:
            score = jax.vmap(lambda p: self.law.apply(p, x))(params)
        else:
            read = loss[jnp.array(self.through)]
            score = jax.vmap(self.law.apply)(params, read[:, 0] if self.single else read)
        if self.units:
            zero, unit = jnp.array(self.units, score.dtype).T
            score = zero + unit * score
        return score


@dataclass(frozen=True)
class Blend:
    """Laws and maps, of which each draw takes one for each loss and each task.

    The parameters of stage ``loss 0`` are those of the first law ``(output, …)``, of ``score 0`` those of the first
    map; those of :data:`SHARES` say which is taken.

    Attributes:
        laws: Of losses.
        maps: To scores.
        domains: ``(domain,)`` all losses that some law predicts.
        tasks: ``(task,)`` all scores that some map predicts.
        sources: ``(source,)`` the data sources that laws read.
    """

    laws: tuple[LossLaw, ...]
    maps: tuple[ScoreMap, ...]
    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    sources: tuple[str, ...] = ()
    via: tuple[tuple[int, ...], ...] = ()

    @property
    def falling(self) -> frozenset[str]:
        """The tasks that have a map of scores that fall with compute."""
        return frozenset(self.tasks[i] for m in self.maps if falls(m.law) for i in m.tasks)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the laws, then of the maps."""
        return (*(law.name for law in self.laws), *(m.name for m in self.maps))

    @property
    def inputs(self) -> Inputs:
        """The features that laws, and maps of compute, read."""
        return inputs_of(*(part.law for part in self.laws), *(m.law for m in self.maps if not m.through))

    @property
    def singular(self) -> bool:
        """Whether a source without compute makes some law's losses zero or infinite."""
        return any(getattr(part.law, "singular", False) for part in self.laws)

    def apply(self, params: StageParams, x: Features) -> Prediction:
        """Losses ``(domain,)`` and scores ``(task,)`` at the compute of one target."""
        losses = [
            _placed(part.apply(params[f"loss {i}"], x), part.domains, self.domains) for i, part in enumerate(self.laws)
        ]
        loss = _weighted_mean(losses, params[SHARES]["loss"], len(self.domains))
        return Prediction(loss, self._scores(params, loss, x))

    def _scores(self, params: StageParams, loss: Array, x: Features) -> Array:
        scores = [
            _placed(part.apply(params[f"score {i}"], loss, x), part.tasks, self.tasks)
            for i, part in enumerate(self.maps)
        ]
        score = _weighted_mean(scores, params[SHARES]["score"], len(self.tasks))
        lowest = params[SHARES].get("lowest")
        return score if lowest is None else jnp.clip(score, lowest, 1.0)

    def score_from_loss(self, params: StageParams, loss: Array) -> Array | None:
        """Scores ``(task,)`` at known losses ``(domain,)``; None if some are of compute alone."""
        return self._scores(params, loss, Features({})) if all(m.through for m in self.maps) else None


def _placed(values: Array, places: Sequence[int], everyone: Sequence[str]) -> Array:
    """Values where they stand among all, NaN elsewhere."""
    return jnp.full((len(everyone),), jnp.nan, values.dtype).at[jnp.array(places, int)].set(values)


def _weighted_mean(parts: Sequence[Array], share: Array, count: int) -> Array:
    """Each output ``(output,)`` as the parts ``(output,)`` have it by their shares ``(part, output)``; NaN of none.

    NaN, too, where one that has a share has no value: the others can't speak for it.
    """
    if not parts or not count:
        return jnp.full((count,), jnp.nan)
    mean = jnp.sum(jnp.where(share > 0, share * jnp.stack(parts), 0.0), axis=0)
    return jnp.where((share > 0).any(axis=0), mean, jnp.nan)
