"""A model of mixtures at one target: what is left of it when only the mixture may change.

Every law in which a mixture counts by its worth is, at one target, ``floor + rest·worth(w)^−decay``. Laws of a blend
then differ in numbers and not in formula: one program serves all of them, which compiles several times faster than
theirs, and gives the same losses and scores. Maps with a discrepancy keep their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.ladder.features import Features
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.domain_sigmoid import DomainSigmoid
from flpjax.laws.law import Law, Params
from flpjax.laws.network import DomainLinear, Network
from flpjax.laws.sources import WorthLaw
from flpjax.methods.blend import SHARES, Blend, LossLaw, ScoreMap
from flpjax.methods.flpm import MixtureModel
from flpjax.methods.inputs import Inputs
from flpjax.methods.method import Model, Prediction, StageParams
from flpjax.numerics import compiled, on_device

LINEAR, SIGMOID, NETWORK = "linear", "sigmoid", "network"
Arrays = dict[str, Any]


@dataclass(frozen=True)
class Formula:
    """Any other map.

    Attributes:
        law: The map.
        domains: Where the losses that it reads stand among all.
        tasks: Where its scores stand among all.
        count: Of all tasks.
        single: Whether it takes one loss, rather than a vector.
    """

    law: Law
    domains: tuple[int, ...]
    tasks: tuple[int, ...]
    count: int
    single: bool = False

    def apply(self, params: Params, loss: Array) -> Array:
        """``(1, task)`` scores at the losses ``(domain,)``; 0 for tasks that it does not forecast."""
        read = loss[self.domains[0]] if self.single else loss[jnp.array(self.domains)]
        score = jax.vmap(lambda p: self.law.apply(p, read))(params)
        return jnp.zeros((1, self.count), loss.dtype).at[0, jnp.array(self.tasks)].set(score)


Kind = str | Formula


@dataclass(frozen=True)
class AtTarget:
    """Losses and scores of one target at any mixture; ``params`` are those of :func:`at_target`.

    Attributes:
        domains: ``(domain,)``.
        tasks: ``(task,)``.
        sources: ``(source,)``.
        maps: Kind of map, and the maps that have it: those of one kind share a formula; of others, the formula itself.
    """

    domains: tuple[str, ...]
    tasks: tuple[str, ...]
    sources: tuple[str, ...]
    maps: tuple[tuple[Kind, tuple[int, ...]], ...]
    singular: bool = False
    via: tuple[tuple[int, ...], ...] = ()

    @property
    def inputs(self) -> Inputs:
        """The mixture alone: the rest of the target is in the parameters."""
        return {"mix": type(self).__name__}

    def apply(self, params: StageParams, x: Features) -> Prediction:
        """Losses ``(domain,)`` and scores ``(task,)`` at the mixture of ``x``; nothing else of it is read."""
        law, shares = params["law"], params[SHARES]
        worth = jnp.log(jnp.einsum("mds,s->md", law["worth"], x.weights))
        each = law["floor"] + jnp.exp(law["log_rest"] - law["decay"] * worth)  # (law, domain)
        loss = jnp.sum(shares["loss"] * each, axis=0) + shares["loss_lost"]
        score = shares["score_lost"]
        for i, (kind, maps) in enumerate(self.maps):
            scores = _mapped(kind, params[f"map {i}"], loss)  # (map, task)
            score = score + jnp.sum(shares["score"][jnp.array(maps)] * scores, axis=0)
        return Prediction(loss, jnp.maximum(score, shares["lowest"]))

    def score_from_loss(self, params: StageParams, loss: Array) -> None:
        """Nothing: the scatter of a loss is no part of a search."""


def _mapped(kind: Kind, params: Params, loss: Array) -> Array:
    """``(map, task)`` scores at the losses ``(domain,)``."""
    if isinstance(kind, Formula):
        return kind.apply(params, loss)
    if kind == NETWORK:
        hidden = jnp.einsum("mthd,d->mth", params["slopes"], loss) + params["level"]
        return params["lower"] + jnp.sum(params["span"] * jnp.maximum(hidden, 0.0), axis=-1)
    height = jnp.einsum("mtd,d->mt", params["slopes"], loss) + params["level"]
    return height if kind == LINEAR else params["lower"] + params["span"] * jax.nn.sigmoid(height)


def at_target(model: Model, params: StageParams, x: Features) -> tuple[AtTarget, StageParams] | None:
    """The model at one target, and its numbers there.

    Args:
        model: Any; its mixture must count by worth.
        params: Leaves ``(draw, …)``.
        x: The compute of the target, without a mixture.

    Returns:
        None if the mixture has another part in some law.
    """
    found = _divided(model, params)
    if found is None:
        return None
    laws, maps, shares = found
    if not all(_counts_worth(part.law) and not part.units and not part.order for part, _ in laws):
        return None
    if not all(part.through and not part.units for part, _ in maps):
        return None
    each = [_law(part, p, x, len(model.domains)) for part, p in laws]
    law = {name: np.stack([one[name] for one in each], axis=1) for name in each[0]}
    sound = law["floor"] + law["log_rest"] + law["decay"] + law["worth"].sum(axis=-1)  # NaN where a fit failed
    reduced: dict[str, Any] = {"law": law}
    kinds: dict[Kind, list[tuple[int, Arrays]]] = {}
    for i, (part, p) in enumerate(maps):
        kind, numbers = _map(part, p, len(model.domains), len(model.tasks))
        kinds.setdefault(kind, []).append((i, numbers))
    score = np.full((*sound.shape[:1], len(maps), len(model.tasks)), np.nan)
    for k, (kind, some) in enumerate(kinds.items()):
        formula = isinstance(kind, Formula)
        reduced[f"map {k}"] = some[0][1] if formula else _stacked([numbers for _, numbers in some])
        for i, numbers in some:
            parts = sum(v.reshape(*v.shape[:2], -1).sum(axis=2) for v in numbers.values())  # NaN where a fit failed
            score[:, i] = _placed(parts, 1, maps[i][0].tasks, len(model.tasks)) if formula else parts
    reduced[SHARES] = {}
    for what, value in (("loss", sound), ("score", score)):
        share = np.asarray(shares.get(what, np.ones(value.shape)))
        lacks = (share > 0) & ~np.isfinite(value)  # as in a blend, the others can't speak for it
        whole = (share > 0).any(axis=1) & ~lacks.any(axis=1)
        reduced[SHARES] |= {what: np.where(lacks, 0.0, share), f"{what}_lost": np.where(whole, 0.0, np.nan)}
    reduced[SHARES]["lowest"] = np.asarray(shares.get("lowest", np.full((len(sound), len(model.tasks)), -np.inf)))
    # What is not known has no share; its numbers must be finite all the same, and its logarithm of worth, too.
    law["worth"] = np.nan_to_num(law["worth"], nan=1.0)
    there: dict[str, Any] = {k: v if k == SHARES else jax.tree.map(np.nan_to_num, v) for k, v in reduced.items()}
    made = tuple((kind, tuple(i for i, _ in some)) for kind, some in kinds.items())
    return AtTarget(model.domains, model.tasks, model.sources, made), on_device(there)


def _counts_worth(law: Law) -> bool:
    return hasattr(law.law if isinstance(law, Discrepancy) else law, "worth_law")


Laws = list[tuple[LossLaw, Params]]
Maps = list[tuple[ScoreMap, Params]]


def _divided(model: Model, params: StageParams) -> tuple[Laws, Maps, Params] | None:
    """Laws and maps of a model with their parameters, and the shares of draws that take each; None of other models."""
    if isinstance(model, Blend):
        laws = [(part, params[f"loss {i}"]) for i, part in enumerate(model.laws)]
        maps = [(part, params[f"score {i}"]) for i, part in enumerate(model.maps)]
        return laws, maps, params[SHARES]
    if not isinstance(model, MixtureModel):
        return None
    everything = tuple(range(len(model.domains)))
    law = LossLaw("", model.compute_loss, everything, model.order, model.units)
    tasks = tuple(range(len(model.tasks)))
    score = ScoreMap("", model.loss_score, tasks, (everything,) * len(tasks), single=False)
    return [(law, params["loss"])], [(score, params["score"])] if tasks else [], {}


@partial(compiled, static_argnums=0)
def _laws(law: Any, params: Params, x: Features) -> WorthLaw:
    """Leaves ``(draw, domain, …)``."""
    return jax.vmap(jax.vmap(lambda p: law.worth_law(p, x)))(params)


def _law(part: LossLaw, params: Params, x: Features, count: int) -> Arrays:
    """The numbers of a law ``(draw, domain, …)``, NaN for domains that it has not."""
    found = _laws(part.law, params, x)._asdict()
    return {name: _placed(np.asarray(v), 1, part.domains, count) for name, v in found.items()}


def _placed(values: Any, axis: int, places: Sequence[int], count: int, fill: float = np.nan) -> Any:
    """Values along an axis where they stand among all."""
    shape = list(values.shape)
    shape[axis] = count
    whole = np.moveaxis(np.full(shape, fill), axis, 0)
    whole[list(places)] = np.moveaxis(values, axis, 0)
    return np.moveaxis(whole, 0, axis)


def _stacked(each: Sequence[Arrays]) -> Arrays:
    return {name: np.stack([numbers[name] for numbers in each], axis=1) for name in each[0]}


def _map(part: ScoreMap, params: Params, domains: int, tasks: int) -> tuple[Kind, Arrays]:
    """The kind of a map, and its numbers ``(draw, task, …)`` on losses that are not centred."""
    law, p = part.law, {name: np.asarray(v) for name, v in params.items()}
    read = part.through[0]
    kind: Kind
    centre = np.array(getattr(law, "centre", ()))
    if isinstance(law, Network):
        slopes, kind = p["hidden_weight"] / np.array(law.spread), NETWORK
        found = {
            "slopes": slopes,
            "level": p["hidden_bias"] - slopes @ centre,
            "lower": law.level + law.scale * p["out_bias"],
            "span": law.scale * p["out_weight"],
        }
    elif isinstance(law, DomainLinear):
        slopes = np.repeat(p["slopes"] / len(centre), len(centre), axis=-1) if law.average else p["slopes"]
        kind, found = LINEAR, {"slopes": slopes, "level": p["level"] - slopes @ centre}
    elif isinstance(law, DomainSigmoid):
        kind = SIGMOID
        found = {
            "slopes": p["slopes"],
            "level": p["level"] - p["slopes"] @ centre,
            "lower": p["lower"],
            "span": p["reach"] * (1.0 - p["lower"]),
        }
    else:
        return Formula(law, read, part.tasks, tasks, part.single), p
    found["slopes"] = _placed(found["slopes"], found["slopes"].ndim - 1, read, domains, 0.0)
    return kind, {name: _placed(v, 1, part.tasks, tasks) for name, v in found.items()}
