"""A model of mixtures at one target: what is left of it when only the mixture may change.

Every law in which a mixture counts by its worth is, at one target, ``floor + rest·worth(w)^−decay``. Members of a blend
then differ in numbers and not in formula: one program serves all of them, which compiles several times faster than
theirs, and gives the same losses and scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.ladder.features import Features
from flpjax.laws.domain_sigmoid import DomainSigmoid
from flpjax.laws.law import Law, Params
from flpjax.laws.network import DomainLinear, Network
from flpjax.laws.sources import WorthLaw
from flpjax.methods.blend import MIXED, Blend, own
from flpjax.methods.flpm import MixtureModel
from flpjax.methods.inputs import Inputs
from flpjax.methods.method import Model, Prediction, StageParams
from flpjax.numerics import compiled

LINEAR, SIGMOID, NETWORK = "linear", "sigmoid", "network"
Arrays = dict[str, Any]


@dataclass(frozen=True)
class Formula:
    """Any other map, of one member.

    Attributes:
        form: The map.
        member: Whose.
        domains: Where the losses that it reads stand among all.
        tasks: Where its scores stand among all.
        count: Of all tasks.
    """

    form: Law
    member: int
    domains: tuple[int, ...]
    tasks: tuple[int, ...]
    count: int

    def apply(self, params: Params, loss: Array) -> Array:
        """``(1, task)`` scores at the losses ``(1, domain)``; 0 for tasks that it does not forecast."""
        score = jax.vmap(lambda p: self.form.apply(p, loss[0, jnp.array(self.domains)]))(params)
        return jnp.zeros((1, self.count), loss.dtype).at[0, jnp.array(self.tasks)].set(score)


Kind = str | Formula


@dataclass(frozen=True)
class AtTarget:
    """Losses and scores of one target at any mixture; ``params`` are those of :func:`at_target`.

    Attributes:
        domains: ``(domain,)``.
        tasks: ``(task,)``.
        sources: ``(source,)``.
        maps: Kind of map, and the members that have it: those of one kind share a formula; of other maps, the formula
            itself, of one member. A member without scores has none.
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
        law, shares = params["law"], params[MIXED]
        worth = jnp.log(jnp.einsum("mds,s->md", law["worth"], x.weights))
        loss = law["floor"] + jnp.exp(law["log_rest"] - law["decay"] * worth)  # (member, domain)
        mean = jnp.exp(jnp.sum(shares["loss_share"] * jnp.log(loss), axis=0) + shares["loss_off"])
        score = shares["score_off"]
        for i, (kind, members) in enumerate(self.maps):
            told = _mapped(kind, params[f"map {i}"], loss[jnp.array(members)])  # (member, task)
            score = score + jnp.sum(shares["score_share"][jnp.array(members)] * told, axis=0)
        return Prediction(mean, score)

    def score_from_loss(self, params: StageParams, loss: Array) -> None:
        """Nothing: members know losses of their own."""


def _mapped(kind: Kind, params: Params, loss: Array) -> Array:
    """``(member, task)`` scores at the losses ``(member, domain)``."""
    if isinstance(kind, Formula):
        return kind.apply(params, loss)
    if kind == NETWORK:
        hidden = jnp.einsum("mthd,md->mth", params["slopes"], loss) + params["level"]
        return params["lower"] + jnp.sum(params["span"] * jnp.maximum(hidden, 0.0), axis=-1)
    height = jnp.einsum("mtd,md->mt", params["slopes"], loss) + params["level"]
    return height if kind == LINEAR else params["lower"] + params["span"] * jax.nn.sigmoid(height)


def at_target(model: Model, params: StageParams, x: Features) -> tuple[AtTarget, StageParams] | None:
    """The model at one target, and its numbers there.

    Args:
        model: Any; its mixture must count by worth.
        params: Leaves ``(draw, …)``.
        x: The compute of the target, without a mixture.

    Returns:
        None if the mixture has another part in some member.
    """
    blend = isinstance(model, Blend)
    members = model.members if isinstance(model, Blend) else (model,)
    if not all(isinstance(m, MixtureModel) and hasattr(m.compute_loss, "worth_law") and not m.units for m in members):
        return None
    chains = [m for m in members if isinstance(m, MixtureModel)]
    each = [own(params, i) if blend else params for i in range(len(chains))]
    laws = [_law(m, p, x, model.domains) for m, p in zip(chains, each, strict=True)]
    law = {name: np.stack([one[name] for one in laws], axis=1) for name in laws[0]}
    kinds: dict[Kind, list[tuple[int, Arrays]]] = {}
    for i, (chain, p) in enumerate(zip(chains, each, strict=True)):
        if chain.tasks:
            kind, numbers = _map(chain, p["score"], model.domains, model.tasks, i)
            kinds.setdefault(kind, []).append((i, numbers))
    maps = tuple((kind, tuple(i for i, _ in found)) for kind, found in kinds.items())
    reduced: dict[str, Any] = {"law": law}
    sound = law["floor"] + law["log_rest"] + law["decay"] + law["worth"].sum(axis=-1)  # NaN where a fit failed
    score = np.full((*sound.shape[:2], len(model.tasks)), np.nan)
    for k, (kind, found) in enumerate(kinds.items()):
        reduced[f"map {k}"] = {name: np.stack([n[name] for _, n in found], axis=1) for name in found[0][1]}
        for i, numbers in found:
            through = sound[:, i][:, [model.domains.index(d) for d in chains[i].domains]].sum(axis=1)
            parts = sum(v.reshape(*v.shape[:2], -1).sum(axis=2) for v in numbers.values())  # NaN where a fit failed
            if isinstance(kind, Formula):
                reduced[f"map {k}"] = numbers
                parts = _placed(parts, 1, chains[i].tasks, model.tasks)
            score[:, i] = through[:, None] + parts
    beyond = max(float(x.log_flops) - model.log_edge, 0.0) if isinstance(model, Blend) else 0.0
    mixed = params[MIXED] if blend else {}
    reduced[MIXED] = {}
    for what, value in (("loss", sound), ("score", score)):
        share = np.asarray(mixed.get(f"{what}_share", np.ones(value.shape)))
        lacks = (share > 0) & ~np.isfinite(value)  # as in a blend, the other members can't speak for it
        whole = (share > 0).any(axis=1) & ~lacks.any(axis=1)
        share = np.where(lacks, 0.0, share)
        off = np.where(whole, np.asarray(mixed.get(f"{what}_drift", 0.0)) * beyond, np.nan)
        reduced[MIXED] |= {f"{what}_share": share, f"{what}_off": off}
    # What is not known has no share; its numbers must be finite all the same, and its logarithm of worth, too.
    law["worth"] = np.nan_to_num(law["worth"], nan=1.0)
    there: dict[str, Any] = {k: v if k == MIXED else jax.tree.map(np.nan_to_num, v) for k, v in reduced.items()}
    there = jax.tree.map(jnp.asarray, there)
    return AtTarget(model.domains, model.tasks, model.sources, maps), there


@partial(compiled, static_argnums=0)
def _laws(form: Any, params: Params, x: Features) -> WorthLaw:
    """Leaves ``(draw, domain, …)``."""
    return jax.vmap(jax.vmap(lambda p: form.worth_law(p, x)))(params)


def _law(chain: MixtureModel, params: StageParams, x: Features, domains: tuple[str, ...]) -> Arrays:
    """The numbers of a member's law ``(draw, domain, …)``, NaN for domains that it has not."""
    found = _laws(chain.compute_loss, params["loss"], x)._asdict()
    return {name: _placed(np.asarray(v), 1, chain.domains, domains) for name, v in found.items()}


def _placed(values: Any, axis: int, names: tuple[str, ...], everyone: tuple[str, ...], fill: float = np.nan) -> Any:
    """Values along an axis of ``names`` in the order of ``everyone``."""
    shape = list(values.shape)
    shape[axis] = len(everyone)
    whole = np.moveaxis(np.full(shape, fill), axis, 0)
    whole[[everyone.index(n) for n in names]] = np.moveaxis(values, axis, 0)
    return np.moveaxis(whole, 0, axis)


def _map(
    chain: MixtureModel, params: Params, domains: tuple[str, ...], tasks: tuple[str, ...], member: int
) -> tuple[Kind, Arrays]:
    """The kind of a member's map, and its numbers ``(draw, task, …)`` on losses that are not centred."""
    form, p = chain.loss_score, {name: np.asarray(v) for name, v in params.items()}
    kind: Kind
    centre = np.array(getattr(form, "centre", ()))
    if isinstance(form, Network):
        slopes, kind = p["hidden_weight"] / np.array(form.spread), NETWORK
        found = {
            "slopes": slopes,
            "level": p["hidden_bias"] - slopes @ centre,
            "lower": form.level + form.scale * p["out_bias"],
            "span": form.scale * p["out_weight"],
        }
    elif isinstance(form, DomainLinear):
        slopes = np.repeat(p["slopes"] / len(centre), len(centre), axis=-1) if form.average else p["slopes"]
        kind, found = LINEAR, {"slopes": slopes, "level": p["level"] - slopes @ centre}
    elif isinstance(form, DomainSigmoid):
        kind = SIGMOID
        found = {
            "slopes": p["slopes"],
            "level": p["level"] - p["slopes"] @ centre,
            "lower": p["lower"],
            "span": p["reach"] * (1.0 - p["lower"]),
        }
    else:
        read = tuple(domains.index(name) for name in chain.domains)
        return Formula(form, member, read, tuple(tasks.index(name) for name in chain.tasks), len(tasks)), p
    found["slopes"] = _placed(found["slopes"], found["slopes"].ndim - 1, chain.domains, domains, 0.0)
    return kind, {name: _placed(v, 1, chain.tasks, tasks) for name, v in found.items()}
