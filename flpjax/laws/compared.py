"""Two recipes under one law: the second is the first with its compute multiplied by a factor, or departs from that.

The logarithm of the factor is a parameter, at the centre of the runs: whatever else the second recipe has of its own
(exponents, asymptote) turns about that point, so that data which lie around it tell the factor best. A parameter that
is not free has its prior's location: one program serves all nested laws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.lax import logistic

PARAMETERS = (
    "level", "share", "decay", "size_share", "data_decay", "log_factor", "exponents", "asymptote", "balance",
    "log_noise", "pair_correlation",
)  # fmt: skip
"""Names, in the order of parameter vectors ``(p,)``; the laws below say what each means. ``log_noise`` is the logarithm
of the noise's s.d., ``pair_correlation`` the logit of the correlation of the noise of two runs of a pair."""
PARAMETER_INDEX = {name: i for i, name in enumerate(PARAMETERS)}
"""Name → position in parameter vectors."""


class Size(NamedTuple):
    """Logarithms of a run's N and D about the centre; of a law in C alone, ``size`` is that of C, and ``data`` 0."""

    size: Any
    data: Any


class ComparisonConstants(NamedTuple):
    """Numbers of a comparison that are not fitted.

    Attributes:
        size_growth: By how much log N grows per e-fold of C along the path where factors are compared; log D grows by
            the rest. 1 of a law in C alone.
        chance: Score of guessing, a fraction; losses have none.
    """

    size_growth: Any
    chance: Any

    def along(self, log_compute: Any) -> Size:
        """The size on the path at a log C about the centre."""
        return Size(self.size_growth * log_compute, (1.0 - self.size_growth) * log_compute)


@dataclass(frozen=True)
class ComparedLosses:
    """``log L = level + log(s + (1 − s)·(q·e^{−α·size} + (1 − q)·e^{−β·data}))`` of the first recipe, as in Chinchilla.

    Of the second the same, with the first's N and D multiplied along the path, at the centre: there
    ``L_B = L_A(factor·C)``, and from there on it has its own α and β (times ``e^{exponents}``), its own irreducible
    share (``logit s + asymptote``) and division between size and data (``logit q + balance``). Unconstrained, ``share``
    and ``size_share`` are logits of s and q, ``decay`` and ``data_decay`` logarithms of α and β.
    """

    def values(self, params: Array, first: Size, second: Size, constants: ComparisonConstants) -> tuple[Array, Array]:
        """Log losses of the first recipe at one size, of the second at another; ``params`` ``(p,)`` unconstrained."""
        level, share, decay, size_share, data_decay, log_factor, exponents, asymptote, balance, *_ = params
        alpha, beta, faster = jnp.exp(decay), jnp.exp(data_decay), jnp.exp(exponents)
        floor, rest = logistic(share), logistic(-share)
        size, data = rest * logistic(size_share), rest * logistic(-size_share)
        of_first = floor + size * jnp.exp(-alpha * first.size) + data * jnp.exp(-beta * first.data)
        moved = constants.along(log_factor)
        size, data = size * jnp.exp(-alpha * moved.size), data * jnp.exp(-beta * moved.data)
        total = floor + size + data
        own_share = jnp.log(floor / (size + data)) + asymptote
        own_size = jnp.log(size) - jnp.log(data) + balance
        own = logistic(own_size) * jnp.exp(-alpha * faster * second.size)
        own += logistic(-own_size) * jnp.exp(-beta * faster * second.data)
        of_second = total * (logistic(own_share) + logistic(-own_share) * own)
        return level + jnp.log(of_first), level + jnp.log(of_second)


@dataclass(frozen=True)
class ComparedScores:
    """``P = chance + (top − chance)·σ(level + k·((1 + v)·size + (1 − v)·data))`` of the first recipe.

    Of the second, ``level`` is that of the factor's compute at the centre, and ``k`` its own. ``share`` is the logit of
    ``(1 − top)/(1 − chance)``, ``decay`` is log k, ``size_share`` is v.
    """

    def values(self, params: Array, first: Size, second: Size, constants: ComparisonConstants) -> tuple[Array, Array]:
        """Scores of the first recipe at one size, of the second at another; ``params`` ``(p,)`` unconstrained."""
        level, share, decay, tilt, _, log_factor, exponents, *_ = params
        height = (1.0 - constants.chance) * logistic(-share)
        slope = jnp.exp(decay)

        def way(at: Size) -> Array:
            return (1.0 + tilt) * at.size + (1.0 - tilt) * at.data

        of_first = level + slope * way(first)
        of_second = level + slope * way(constants.along(log_factor)) + slope * jnp.exp(exponents) * way(second)
        return constants.chance + height * logistic(of_first), constants.chance + height * logistic(of_second)


ComparedLaw = ComparedLosses | ComparedScores
