"""Loss → score of one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import jax
import jax.numpy as jnp
from jax import Array

from flpjax.errors import InputError
from flpjax.laws.law import POSITIVE, REAL, UNIT, Parameter, Params, centre_of, weighted_line


@dataclass(frozen=True)
class Linear:
    """``P(L) = w0 + w1·L`` (Chen et al. 2024, eq. 2), for checkpoints that have emerged.

    Attributes:
        centre: The loss at which ``level`` is the score.
    """

    centre: float = 2.5

    def parameters(self) -> Mapping[str, Parameter]:
        """Score at the centre, and slope."""
        return {
            "level": Parameter(REAL, 0.5, 0.5, "score at the centre, fraction", affine="linear"),
            "slope": Parameter(REAL, -0.5, 0.5, "w1, change of the score per nat", affine="linear"),
        }

    def inputs(self) -> tuple[str, ...]:
        """None: it reads losses."""
        return ()

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the loss ``x`` of one checkpoint."""
        return params["level"] + params["slope"] * (x - self.centre)

    def guess(self, x: Array, y: Array, weight: Array) -> Params:
        """The least-squares line, which for squared loss is the fit."""
        level, slope = weighted_line(x - self.centre, y, weight)
        return {"level": level, "slope": slope}

    def constants(self, params: Params) -> dict[str, Array]:
        """``w0``, ``w1``."""
        return {"w0": params["level"] - params["slope"] * self.centre, "w1": params["slope"]}

    def centred(self, x: Array) -> Self:
        """Centred on the mean loss."""
        return replace(self, centre=centre_of(x, 0.5))


@dataclass(frozen=True)
class Sigmoid:
    """``P(L) = lower + (upper − lower) / (1 + e^{slope·(L − middle)})``.

    The map of Llama 3 (Dubey et al. 2024) and of OLMo-ladder (Bhagia et al. 2024, eq. 3). ``upper`` is fitted as a
    share of the way from ``lower`` to 1, or ``lower`` as a share of a given ``upper``: the asymptotes can't cross.

    Attributes:
        upper: The score that training approaches in the end; None fits it. Small models never come near it, so the
            ladder hardly determines it.
        centre: The loss from which ``middle`` is counted.
        from_zero: The lower asymptote is 0, not fitted: for skills, which are 0 at chance level.
    """

    upper: float | None = None
    centre: float = 2.5
    from_zero: bool = False
    levels_off: ClassVar[bool] = True  # it knows a chance level itself

    def __post_init__(self) -> None:
        if self.upper is not None and not 0.0 < self.upper <= 1.0:
            raise InputError(f"the upper asymptote {self.upper:g} is no score", remedy="Give a fraction up to 1")

    def parameters(self) -> Mapping[str, Parameter]:
        """Asymptotes, slope and middle."""
        table = {
            "lower": Parameter(UNIT, -1.0, 1.0, "score as the loss grows, as a share of a given upper, if any"),
            "reach": Parameter(UNIT, 1.5, 1.0, "(upper − lower) / (1 − lower)"),
            "slope": Parameter(POSITIVE, 0.7, 0.7, "steepness per nat"),
            "middle": Parameter(REAL, 0.0, 0.7, "loss at half height, from the centre, nats"),
        }
        if self.upper is not None:
            del table["reach"]
        if self.from_zero:
            del table["lower"]
        return table

    def _asymptotes(self, params: Params) -> tuple[Array, Array]:
        """Lower one, and the way from it to the upper one."""
        lower = jnp.zeros_like(params["slope"]) if self.from_zero else params["lower"]
        if self.upper is not None:
            return self.upper * lower, self.upper * (1.0 - lower)
        return lower, params["reach"] * (1.0 - lower)

    def inputs(self) -> tuple[str, ...]:
        """None: it reads losses."""
        return ()

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the loss ``x`` of one checkpoint."""
        height = jax.nn.sigmoid(-params["slope"] * (x - self.centre - params["middle"]))
        lower, span = self._asymptotes(params)
        return lower + span * height

    def guess(self, x: Array, y: Array, weight: Array) -> Params:
        """Asymptotes just outside the scores seen; then a straight line through the logits."""
        there = weight > 0
        low, high = jnp.min(jnp.where(there, y, jnp.inf)), jnp.max(jnp.where(there, y, -jnp.inf))
        cap = 1.0 if self.upper is None else self.upper
        lower = jnp.zeros_like(low) if self.from_zero else cap * jnp.clip(0.95 * low / cap, 0.01, 0.95)
        upper = high + 0.5 * (1.0 - high) if self.upper is None else jnp.asarray(self.upper, y.dtype)
        height = jnp.clip((y - lower) / jnp.maximum(upper - lower, 1e-3), 0.01, 0.99)
        at_centre, slope = weighted_line(x - self.centre, jnp.log(height / (1.0 - height)), weight)
        steep = jnp.clip(-slope, 0.1, 20.0)
        reach = jnp.clip((upper - lower) / (1.0 - lower), 0.05, 0.99)
        start = {"lower": lower / cap, "reach": reach, "slope": steep, "middle": jnp.clip(at_centre / steep, -3.0, 3.0)}
        return {name: start[name] for name in self.parameters()}

    def constants(self, params: Params) -> dict[str, Array]:
        """``lower``, ``upper``, ``slope`` per nat, ``middle`` in nats."""
        return _sigmoid_constants(params, self._asymptotes(params), self.centre)

    def centred(self, x: Array) -> Self:
        """Centred on the mean loss."""
        return replace(self, centre=centre_of(x, 0.5))


def _sigmoid_constants(params: Params, asymptotes: tuple[Array, Array], centre: float) -> dict[str, Array]:
    """Of a sigmoid with its lower asymptote and the way from it to the upper one."""
    lower, span = asymptotes
    return {
        "lower": lower,
        "upper": lower + span,
        "slope": params["slope"],
        "middle": params["middle"] + centre,
    }


@dataclass(frozen=True)
class FallingSigmoid:
    """``P(L) = lower + (upper − lower) / (1 + e^{−slope·(L − middle)})``: a task that gets worse as the loss falls.

    Such tasks reward what small models do by accident (inverse scaling: McKenzie et al. 2023); scores end at ``lower``,
    which is chance for most. ``upper`` is fitted as a share of the way from ``lower`` to 1: the asymptotes can't cross.

    Attributes:
        lower: The score that training approaches in the end; None fits it.
        centre: The loss from which ``middle`` is counted.
    """

    lower: float | None = None
    centre: float = 2.5
    levels_off: ClassVar[bool] = True
    falls: ClassVar[bool] = True  # it is for tasks whose scores fall with compute, and no others

    def __post_init__(self) -> None:
        if self.lower is not None and not 0.0 <= self.lower < 1.0:
            raise InputError(f"the lower asymptote {self.lower:g} is no score", remedy="Give a fraction below 1")

    def parameters(self) -> Mapping[str, Parameter]:
        """Asymptotes, slope and middle."""
        table = {
            "lower": Parameter(UNIT, -1.0, 1.0, "score as the loss falls"),
            "reach": Parameter(UNIT, -0.5, 1.0, "(upper − lower) / (1 − lower)"),
            "slope": Parameter(POSITIVE, 0.7, 0.7, "steepness per nat"),
            "middle": Parameter(REAL, 0.0, 0.7, "loss at half height, from the centre, nats"),
        }
        if self.lower is not None:
            del table["lower"]
        return table

    def _asymptotes(self, params: Params) -> tuple[Array, Array]:
        """Lower one, and the way from it to the upper one."""
        lower = params["lower"] if self.lower is None else jnp.full_like(params["slope"], self.lower)
        return lower, params["reach"] * (1.0 - lower)

    def inputs(self) -> tuple[str, ...]:
        """None: it reads losses."""
        return ()

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the loss ``x`` of one checkpoint."""
        lower, span = self._asymptotes(params)
        return lower + span * jax.nn.sigmoid(params["slope"] * (x - self.centre - params["middle"]))

    def guess(self, x: Array, y: Array, weight: Array) -> Params:
        """Asymptotes just outside the scores seen; then a straight line through the logits."""
        there = weight > 0
        low, high = jnp.min(jnp.where(there, y, jnp.inf)), jnp.max(jnp.where(there, y, -jnp.inf))
        lower = jnp.clip(0.95 * low, 0.01, 0.95) if self.lower is None else jnp.asarray(self.lower, y.dtype)
        upper = high + 0.2 * (1.0 - high)
        height = jnp.clip((y - lower) / jnp.maximum(upper - lower, 1e-3), 0.01, 0.99)
        at_centre, slope = weighted_line(x - self.centre, jnp.log(height / (1.0 - height)), weight)
        steep = jnp.clip(slope, 0.1, 20.0)
        reach = jnp.clip((upper - lower) / (1.0 - lower), 0.01, 0.99)
        middle = jnp.clip(-at_centre / steep, -3.0, 3.0)
        start = {"lower": lower, "reach": reach, "slope": steep, "middle": middle}
        return {name: start[name] for name in self.parameters()}

    def constants(self, params: Params) -> dict[str, Array]:
        """``lower``, ``upper``, ``slope`` per nat, ``middle`` in nats."""
        return _sigmoid_constants(params, self._asymptotes(params), self.centre)

    def centred(self, x: Array) -> Self:
        """Centred on the mean loss."""
        return replace(self, centre=centre_of(x, 0.5))


@dataclass(frozen=True)
class Exponential:
    """``1 − P(L) = ε − k·e^{−γ·L}`` (Gadre et al. 2024, eq. 5): the error saturates at ε for a large loss.

    Attributes:
        centre: The loss at which ``log_gain`` is counted.
    """

    centre: float = 2.5
    levels_off: ClassVar[bool] = True  # it knows a chance level itself

    def parameters(self) -> Mapping[str, Parameter]:
        """Score of a useless model, gain over it at the centre, and its growth as the loss falls."""
        return {
            "floor": Parameter(REAL, 0.25, 0.25, "1 − ε, score as the loss grows, fraction", affine="linear"),
            "log_gain": Parameter(REAL, -1.5, 1.0, "log(P − floor) at the centre"),
            "gamma": Parameter(POSITIVE, 0.0, 0.7, "γ, growth per nat"),
        }

    def inputs(self) -> tuple[str, ...]:
        """None: it reads losses."""
        return ()

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the loss ``x`` of one checkpoint."""
        return params["floor"] + jnp.exp(params["log_gain"] - params["gamma"] * (x - self.centre))

    def guess(self, x: Array, y: Array, weight: Array) -> Params:
        """A floor just under the scores seen; then a straight line through the logarithm of the gain."""
        low = jnp.min(jnp.where(weight > 0, y, jnp.inf))
        mean = jnp.sum(weight * y) / jnp.sum(weight)
        floor = low - 0.1 * jnp.maximum(mean - low, 1e-3)
        gain, slope = weighted_line(x - self.centre, jnp.log(jnp.maximum(y - floor, 1e-4)), weight)
        return {"floor": floor, "log_gain": gain, "gamma": jnp.maximum(-slope, 0.05)}

    def constants(self, params: Params) -> dict[str, Array]:
        """``epsilon``, ``k``, ``gamma``."""
        return {
            "epsilon": 1.0 - params["floor"],
            "k": jnp.exp(params["log_gain"] + params["gamma"] * self.centre),
            "gamma": params["gamma"],
        }

    def centred(self, x: Array) -> Self:
        """Centred on the mean loss."""
        return replace(self, centre=centre_of(x, 0.5))


@dataclass(frozen=True)
class Saturating(Exponential):
    """``P(L) = floor + (1 − floor)·(1 − exp(−gain·e^{−γ·(L − centre)}))``: the exponential while small, 1 in the end.

    What Gadre et al. 2024, eq. 5, becomes when no score can pass 1 (a complementary log-log curve).
    """

    levels_off: ClassVar[bool] = True

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the loss ``x`` of one checkpoint."""
        grown = jnp.exp(params["log_gain"] - params["gamma"] * (x - self.centre))
        return params["floor"] - (1.0 - params["floor"]) * jnp.expm1(-grown)

    def constants(self, params: Params) -> dict[str, Array]:
        """``epsilon``, ``gain`` at a loss of 0, ``gamma``."""
        return {
            "epsilon": 1.0 - params["floor"],
            "gain": jnp.exp(params["log_gain"] + params["gamma"] * self.centre),
            "gamma": params["gamma"],
        }
