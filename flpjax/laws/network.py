"""Domain losses → score: the two-layer network of FLP-M, and the straight line it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.laws.law import REAL, Parameter, Params
from flpjax.laws.standardised import Numbers, power_of_two, rounded


@dataclass(frozen=True)
class DomainLinear:
    """``P(L^1 … L^D) = level + Σ_d slope_d·(L^d − centre_d)`` (Chen et al. 2024, §6.2, Domain-Linear).

    Attributes:
        centre: ``(domain,)`` losses at which ``level`` is the score.
        average: One slope for all domains, on their average loss (§6.2, Average).
    """

    centre: Numbers = (2.5, 2.5)
    average: bool = False

    def parameters(self) -> Mapping[str, Parameter]:
        """Score at the centre, and slopes."""
        slopes = (1,) if self.average else (len(self.centre),)
        return {
            "level": Parameter(REAL, 0.5, 0.5, "score at the centre, fraction", affine="linear"),
            "slopes": Parameter(REAL, -0.1, 0.5, "change of the score per nat", slopes, "linear"),
        }

    def inputs(self) -> tuple[str, ...]:
        """None: it reads losses."""
        return ()

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the domain losses ``x`` ``(domain,)`` of one checkpoint."""
        departure = x - jnp.array(self.centre, x.dtype)
        if self.average:
            departure = departure.mean(keepdims=True)
        return params["level"] + jnp.dot(params["slopes"], departure)

    def guess(self, x: Array, y: Array, weight: Array) -> Params:
        """The mean score, without slopes: the fit is in closed form."""
        shape = (1,) if self.average else (len(self.centre),)
        return {"level": jnp.sum(weight * y) / jnp.sum(weight), "slopes": jnp.zeros(shape, y.dtype)}

    def constants(self, params: Params) -> dict[str, Array]:
        """``w0``; ``w1``, of the average loss, or one a domain."""
        slopes, centre = params["slopes"], jnp.array(self.centre)
        at_zero = params["level"] - jnp.dot(slopes, centre.mean(keepdims=True) if self.average else centre)
        return {"w0": at_zero} | {f"w{i + 1}": slopes[i] for i in range(len(slopes))}

    def centred(self, x: Array) -> Self:
        """Centred on the mean losses of ``x`` ``(row, domain)``."""
        return replace(self, centre=rounded(np.mean(x, axis=0)))


@dataclass(frozen=True)
class Network:
    """``P(L^1 … L^D) = b + Σ_h v_h·max(0, u_h·z + a_h)`` of standardised domain losses z (Chen et al. 2024, §4).

    Two layers, hidden width 3, ReLU. Losses and scores are standardised by the configuration, so that one recipe of
    training suits all tasks and nobody carries a scaler.

    Attributes:
        hidden: Width of the hidden layer.
        centre: ``(domain,)`` mean losses.
        spread: ``(domain,)`` standard deviations of the losses.
        level: Mean score.
        scale: Standard deviation of the scores.
    """

    trained: ClassVar[bool] = True  # by a recipe: weights tie, and Gauss–Newton fails at kinks

    hidden: int = 3
    centre: Numbers = (2.5, 2.5)
    spread: Numbers = (0.3, 0.3)
    level: float = 0.5
    scale: float = 0.1

    def parameters(self) -> Mapping[str, Parameter]:
        """Weights and biases of both layers; the priors are the spread of random starts (He et al. 2015)."""
        domains = len(self.centre)
        first, second = float(np.sqrt(2.0 / domains)), float(np.sqrt(2.0 / self.hidden))
        return {
            "hidden_weight": Parameter(REAL, 0.0, first, "u, of the first layer", (self.hidden, domains)),
            "hidden_bias": Parameter(REAL, 0.0, 0.5, "a, of the first layer", (self.hidden,)),
            "out_weight": Parameter(REAL, 0.0, second, "v, of the second layer", (self.hidden,), "linear"),
            "out_bias": Parameter(REAL, 0.0, 0.5, "b, of the second layer", affine="linear"),
        }

    def priors_between(self, low: float, high: float) -> dict[str, tuple[float, float]]:
        """Location and scale of weights' priors by rule, for scores that lie between two numbers.

        The first layer's weighted inputs have a variance of 2 on standardised losses (He et al. 2015), and its biases
        as much: corners of units are as likely beyond the rows as among them. The second layer's bias is centred in
        the range, of which four standard deviations are the whole, and its weights make the network vary as much.

        Args:
            low: The least score, chance.
            high: The highest.
        """
        quarter = 0.25 * (high - low) / self.scale
        unit = float(np.sqrt(2.0))  # root mean square of a unit: half of a variance of 4
        return {
            "hidden_weight": (0.0, unit / float(np.sqrt(len(self.centre)))),
            "hidden_bias": (0.0, unit),
            "out_weight": (0.0, quarter / (unit * float(np.sqrt(self.hidden)))),
            "out_bias": ((0.5 * (low + high) - self.level) / self.scale, quarter),
        }

    def inputs(self) -> tuple[str, ...]:
        """None: it reads losses."""
        return ()

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the domain losses ``x`` ``(domain,)`` of one checkpoint."""
        z = (x - jnp.array(self.centre, x.dtype)) / jnp.array(self.spread, x.dtype)
        hidden = jax.nn.relu(params["hidden_weight"] @ z + params["hidden_bias"])
        return self.level + self.scale * (jnp.dot(params["out_weight"], hidden) + params["out_bias"])

    def affine_parts(self, params: Params, x: Array) -> tuple[Array | float, tuple[Array | float, ...]]:
        """The score at ``x`` ``(…, domain)`` as ``offset + Σ parameter · column``, for the second layer's parameters.

        A column that is alike at all rows is a number. Sums are written out, so that a compiler can compute columns
        where they are used, and none is ever stored.
        """
        z = [(x[..., d] - c) / s for d, (c, s) in enumerate(zip(self.centre, self.spread, strict=True))]
        weight, bias = params["hidden_weight"], params["hidden_bias"]
        units = [jax.nn.relu(sum((weight[h, d] * v for d, v in enumerate(z)), bias[h])) for h in range(self.hidden)]
        return self.level, (*(self.scale * unit for unit in units), self.scale)

    def guess(self, x: Array, y: Array, weight: Array) -> Params:
        """A falling straight line in the average loss: the first unit, far from its corner; the others are silent."""
        domains, far = len(self.centre), 3.0
        silent = jnp.zeros((self.hidden - 1,), y.dtype)
        return {
            "hidden_weight": jnp.zeros((self.hidden, domains), y.dtype).at[0].set(-1.0 / domains),
            "hidden_bias": jnp.concatenate([jnp.full((1,), far, y.dtype), silent]),
            "out_weight": jnp.concatenate([jnp.ones((1,), y.dtype), silent]),
            "out_bias": (jnp.sum(weight * y) / jnp.sum(weight) - self.level) / self.scale - far,
        }

    def constants(self, params: Params) -> dict[str, Array]:
        """None: the weights of a network have no meaning one by one."""
        return {}

    def standard(self) -> Self:
        """The same network of losses and scores that are standardised already."""
        domains = len(self.centre)
        return replace(self, centre=(0.0,) * domains, spread=(1.0,) * domains, level=0.0, scale=1.0)

    def centred(self, x: Array) -> Self:
        """Standardised for losses ``x`` ``(row, domain)``."""
        return replace(self, centre=rounded(np.mean(x, axis=0)), spread=tuple(map(power_of_two, np.std(x, axis=0))))

    def scaled(self, y: NDArray[Any]) -> Self:
        """Standardised for scores ``y`` ``(row,)``."""
        return replace(self, level=round(float(np.mean(y)), 1), scale=power_of_two(np.std(y)))
