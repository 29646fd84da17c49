"""N, D and the mixture chosen at once: one search by gradients; that for a mixture at one size is its special case.

N is one more coordinate of the polytope that mixtures lie in: the share u of the way from the smallest N that is looked
at to the largest, and its rest 1 − u, are two sources whose weights sum to what the mixture's sum to. D is what the
budget leaves for training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.ascent import ascend, spread_starts
from flpjax.engine.polytope import Polytope
from flpjax.errors import FitError, InputError
from flpjax.fitting.draws import Draws
from flpjax.ladder.compute import FlopsRule
from flpjax.ladder.features import Features
from flpjax.methods.method import Model, StageParams
from flpjax.numerics import generator, on_device, require_x64
from flpjax.results.allocation.limits import FORWARD, Limits
from flpjax.results.allocation.valley import Others, inputs_at
from flpjax.results.constraints import Constraints, feasible

RATIOS = (1e-1, 1e5)
"""Tokens per parameter between which is searched: within them a gradient has something to go by."""
MIXTURES, PLACES = 6, (0.35, 0.5, 0.65)  # starts: of the mixture, and of N for each
MOST_DRAWS = 100  # of the mean that is minimised: a mixture is chosen once, not draw by draw
SHARPER = 100.0  # losses are expressed in hundredths, so that values differ by about 1
ROUNDS = 3  # of the search where caps of sources depend on D, which it finds

Floats = NDArray[np.float64]


class Scene(NamedTuple):
    """The numbers of one budget; leaves get a ``problem`` axis in front."""

    params: StageParams  # leaves (draw, …)
    x: Features  # without N, D, C and the mixture
    ends: Any  # (2,) the lowest and the highest log N
    budget: Any
    served: Any  # tokens of inference
    rule: Any  # (3,) of FlopsRule: extra, slope, log N0


@dataclass(frozen=True)
class MeanLoss:
    """Minus the mean loss over draws of a mixture and a size: static and hashable."""

    model: Model
    domain: int

    def __call__(self, weights: Array, scene: Scene) -> Array:
        """Of half the mixture ``(source,)``, and halves of u and 1 − u."""
        mix, share = 2.0 * weights[:-2], 2.0 * weights[-2]
        log_n = scene.ends[0] + share * (scene.ends[1] - scene.ends[0])
        n = jnp.exp(log_n)
        left = jnp.maximum(scene.budget - FORWARD * n * scene.served, 1e-6 * scene.budget)
        extra, slope, origin = scene.rule
        log_d = jnp.log(left) - log_n - jnp.log(6.0 + extra * jnp.exp(slope * (log_n - origin)))
        x = scene.x.replace(mix=mix, params=log_n, tokens=log_d, flops=jnp.log(left))
        loss = jax.vmap(lambda p: self.model.apply(p, x).loss[self.domain])(scene.params)
        return -SHARPER * jnp.mean(loss)


def best_mixtures(
    draws: Draws,
    budgets: Sequence[float],
    domain: int,
    limits: Limits,
    constraints: Constraints,
    features: Mapping[str, float],
    key: Array,
) -> tuple[dict[str, float], ...]:
    """The mixture that is best at each budget, with N and D that are best with it.

    Args:
        draws: Of a model that reads N, D and a mixture.
        budgets: ``(budget,)`` FLOPs.
        domain: The loss that is to be low.
        limits: What N and D keep to.
        constraints: What mixtures keep to.
        features: Other features that laws read.
        key: JAX random key, for the starts.

    Raises:
        InputError: The model knows no mixture, or constraints conflict.
        FitError: The loss is nowhere finite.
    """
    require_x64("a search for mixtures")
    model, ladder = draws.model, draws.ladder
    if not model.sources:
        raise InputError(
            "the method that was fitted does not know data sources",
            where=ladder.source,
            remedy="Fit a method with mixtures, such as 'mix-chinchilla+domain-sigmoid'",
        )
    found = []
    for i, budget in enumerate(budgets):
        scene, tokens = _scene(draws, budget, limits, features)
        for _ in range(ROUNDS if constraints.available else 1):
            allowed = feasible(constraints, model.sources, np.array(ladder.mixtures), tokens)
            wide = _widened(allowed.polytope)
            rng = generator(key, i)
            mixes = 0.5 * spread_starts(allowed.polytope, MIXTURES, rng)
            starts = np.array([[*mix, 0.5 * u, 0.5 * (1.0 - u)] for mix in mixes for u in PLACES])
            best = ascend(MeanLoss(model, domain), jax.tree.map(lambda v: np.asarray(v)[None], scene), starts, wide)
            if not np.isfinite(best.value).all():
                raise FitError("the loss is nowhere finite", where=f"{ladder.source}, {budget:.3g} FLOPs")
            low, high = scene.ends
            log_n = low + 2.0 * best.weights[0, -2] * (high - low)
            tokens = float(np.exp(limits.log_tokens(np.asarray(log_n), budget, ladder.rule)))
        weights = np.maximum(best.weights[0, :-2], 0.0)
        found.append(dict(zip(model.sources, map(float, weights / weights.sum()), strict=True)))
    return tuple(found)


def _scene(draws: Draws, budget: float, limits: Limits, features: Mapping[str, float]) -> tuple[Scene, float]:
    """The numbers of one budget, and the tokens in the middle of what is searched."""
    rule: FlopsRule = draws.ladder.rule
    low, high = (0.5 * np.log(budget / 6.0 / ratio) for ratio in reversed(RATIOS))
    if limits.most_params is not None:
        high = min(high, float(np.log(limits.most_params)))
    if limits.inference_tokens:
        high = min(high, float(np.log(0.9 * budget / (FORWARD * limits.inference_tokens))))
    x = jax.tree.map(lambda v: np.asarray(v)[0], inputs_at(draws, [budget], limits, Others(features)))
    some = np.unique(np.linspace(0, len(draws) - 1, min(len(draws), MOST_DRAWS)).astype(int))
    params = jax.tree.map(lambda v: np.asarray(v)[some], draws.params)
    ends = np.array([low, high])
    scene = Scene(params, x, ends, budget, limits.inference_tokens, np.array(rule[:3]))
    middle = limits.log_tokens(np.asarray(ends.mean()), budget, rule)
    return on_device(scene), float(np.exp(middle))


def _widened(mixtures: Polytope) -> Polytope:
    """Half of every mixture, with two coordinates that sum to a half."""
    lower, upper, group, least, most = (np.asarray(leaf) for leaf in mixtures)
    return Polytope(
        np.r_[0.5 * lower, 0.0, 0.0],
        np.r_[0.5 * upper, 0.5, 0.5],
        np.r_[group, len(least), len(least)].astype(np.int32),
        np.r_[0.5 * least, 0.5],
        np.r_[0.5 * most, 0.5],
    )
