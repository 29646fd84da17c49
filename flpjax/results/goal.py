"""What a mixture is judged by: scores and losses of a target, over tasks and over draws, as one JAX function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.engine.gauss_newton import Numbers
from flpjax.errors import InputError, did_you_mean
from flpjax.ladder.features import Features
from flpjax.methods.method import Model, StageParams


class Named(Protocol):
    """What has losses and scores by name."""

    @property
    def domains(self) -> tuple[str, ...]:
        """``(domain,)``."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """``(task,)``."""


OverDraws = Literal["mean", "quantile", "cvar"]
OverTasks = Literal["mean", "worst"]


@dataclass(frozen=True)
class Goal:
    """What the best mixture is best at.

    Attributes:
        tasks: Task → weight, to maximise the weighted mean of scores; None weighs all tasks alike, unless domains are
            named.
        domains: Loss domain → weight, to minimise the weighted mean of losses.
        over_draws: ``"mean"``: the expected value; ``"quantile"``: the value that all but the ``risk`` share of draws
            exceed; ``"cvar"``: the mean of the ``risk`` share of draws that are worst.
        risk: The share of draws that the last two look at.
        over_tasks: ``"mean"``, or ``"worst"``: the smallest gain over the baseline among tasks and domains.
        no_worse: No task or domain that counts may, in the mean over draws, fall below the baseline.
        kl: λ ≥ 0, in the unit of the value: what a mixture pays for each nat of KL(mixture ‖ prior).
        prior: Source → weight of the mixture that ``kl`` pulls towards; None takes the baseline.
    """

    tasks: Mapping[str, float] | None = None
    domains: Mapping[str, float] | None = None
    over_draws: OverDraws = "mean"
    risk: float = 0.1
    over_tasks: OverTasks = "mean"
    no_worse: bool = False
    kl: float = 0.0
    prior: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for bad, what, remedy in (
            (
                self.over_draws not in ("mean", "quantile", "cvar"),
                f"over_draws is '{self.over_draws}'",
                "Say mean, quantile or cvar",
            ),
            (self.over_tasks not in ("mean", "worst"), f"over_tasks is '{self.over_tasks}'", "Say mean or worst"),
            (not 0.0 < self.risk < 1.0, f"risk is {self.risk:g}", "Give a share of draws, say 0.1"),
            (not 0.0 <= self.kl < np.inf, f"kl is {self.kl:g}", "Give 0 or more"),
            (
                self.prior is not None and self.kl == 0.0,
                "a prior mixture without a price, kl, pulls at nothing",
                "Give a price of a nat, say kl=0.01 (--kl 0.01), or leave the prior out",
            ),
        ):
            if bad:
                raise InputError(what, where="goal", remedy=remedy)

    def shares(self, model: Named) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights of domains ``(domain,)`` and of tasks ``(task,)``; together they sum to 1.

        Raises:
            InputError: A name is not one of the model's, a weight is negative, or nothing counts.
        """
        tasks, domains = self.tasks, self.domains
        if tasks is None and domains is None:
            tasks = dict.fromkeys(model.tasks, 1.0)
            domains = {} if model.tasks else dict.fromkeys(model.domains, 1.0)
        parts = [_weights(domains or {}, model.domains, "loss domain"), _weights(tasks or {}, model.tasks, "task")]
        total = sum(part.sum() for part in parts)
        if not total > 0:
            raise InputError("nothing counts", where="goal", remedy="Give a task or a domain a weight above 0")
        return parts[0] / total, parts[1] / total


def _weights(given: Mapping[str, float], names: tuple[str, ...], what: str) -> NDArray[np.float64]:
    for name, weight in given.items():
        if name not in names:
            raise InputError(
                f"there is no {what} '{name}' in the forecast", where="goal", remedy=did_you_mean(name, names)
            )
        if not 0.0 <= weight < np.inf:
            raise InputError(f"the weight of '{name}' is {weight:g}", where="goal", remedy="Give 0 or more")
    return np.array([float(given.get(name, 0.0)) for name in names])


class Scene(NamedTuple):
    """The numbers that a mixture is judged with; leaves get a ``problem`` axis in front where many are searched."""

    params: StageParams  # leaves (draw, output, …)
    compute: Features  # of the target, without a mixture
    share: Numbers  # (output,) weights, domains first
    baseline: Numbers  # (draw, output) losses, with a minus sign, and scores at the baseline
    prior: Numbers  # (source,)
    kl: Numbers  # λ
    penalty: Numbers  # price of a task that falls below the baseline, by score


@dataclass(frozen=True)
class Value:
    """The value of a mixture: static and hashable; its numbers come as a Scene."""

    model: Model
    over_draws: OverDraws = "mean"
    risk: float = 0.1
    over_tasks: OverTasks = "mean"
    no_worse: bool = False
    pulled: bool = False  # towards a prior mixture

    def outputs(self, weights: Array, scene: Scene) -> Array:
        """``(draw, output)`` losses, with a minus sign, and scores at mixture weights ``(source,)``."""
        x = scene.compute.replace(mix=weights)

        def one(params: StageParams) -> Array:
            predicted = self.model.apply(params, x)
            # A straight line runs on where a score can't: an expected score is that of scores from 0 to 1.
            bounded = jnp.where(jnp.isfinite(predicted.score), jnp.clip(predicted.score, 0.0, 1.0), predicted.score)
            return jnp.concatenate([-predicted.loss, bounded])

        return jax.vmap(one)(scene.params)

    def by_draw(self, outputs: Array, scene: Scene) -> Array:
        """``(draw,)`` what each draw thinks of outputs ``(draw, output)``."""
        if self.over_tasks == "mean":
            return outputs @ scene.share
        gain = outputs - scene.baseline
        return jnp.min(jnp.where(scene.share[None, :] > 0, gain, jnp.inf), axis=1)

    def __call__(self, weights: Array, scene: Any) -> Array:
        """The value of one mixture ``(source,)``."""
        outputs = self.outputs(weights, scene)
        value = self.reduced(self.by_draw(outputs, scene))
        if self.no_worse:
            loss = jnp.minimum(jnp.mean(outputs - scene.baseline, axis=0), 0.0)
            value += scene.penalty * jnp.sum(jnp.where(scene.share > 0, loss, 0.0))
        if self.pulled:
            value -= scene.kl * divergence(weights, scene.prior)
        return value

    def reduced(self, values: Array) -> Array:
        """One number of what each draw ``(draw,)`` thinks."""
        if self.over_draws == "mean" or len(values) == 1:
            return jnp.mean(values)
        if self.over_draws == "quantile":
            return jnp.quantile(values, self.risk)
        return jnp.mean(jnp.sort(values)[: max(1, round(self.risk * len(values)))])


def divergence(weights: Array, prior: Array) -> Array:
    """``KL(weights ‖ prior)`` in nats, of mixtures ``(source,)``.

    Finite everywhere: a prior weight of 0 counts as 1e-12 and costs 28 nats a unit; a weight of 0 has as steep a slope.
    """
    tiny = 1e-12
    return jnp.sum(weights * jnp.log(jnp.maximum(weights, tiny) / jnp.maximum(prior, tiny)))
