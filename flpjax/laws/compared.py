"""Two recipes under one law: the second is the first with its compute multiplied by a factor, or departs from that.

The logarithm of the factor is a parameter, at the centre of the runs: whatever else the second recipe has of its own
(exponents, asymptote) turns about that point, so that data which lie around it tell the factor best. A parameter that
is not free has its prior's location: one program serves all nested laws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

PARAMETERS = (
    "level", "share", "decay", "size_share", "data_decay", "log_factor", "exponents", "asymptote", "balance",
    "log_noise", "alike",
)  # fmt: skip
"""In the order of vectors ``(p,)``; what each means, a law says."""
PLACE = {name: i for i, name in enumerate(PARAMETERS)}


class Size(NamedTuple):
    """Logarithms of a run's N and D about the centre; of a law in C alone, ``size`` is that of C, and ``data`` 0."""

    size: Any
    data: Any


class Known(NamedTuple):
    """What is known of a comparison beforehand.

    Attributes:
        size_growth: By how much log N grows per e-fold of C along the path where factors are compared; log D grows by
            the rest. 1 of a law in C alone.
        chance: Score of guessing, a fraction; losses have none.
    """

    size_growth: Any
    chance: Any


@dataclass(frozen=True)
class ComparedLosses:
    """``log L = level + log(s + (1 − s)·(q·e^{−α·size} + (1 − q)·e^{−β·data}))`` of the first recipe, as in Chinchilla.

    Of the second the same, with the first's N and D multiplied along the path, at the centre: there
    ``L_B = L_A(factor·C)``, and from there on it has its own α and β (times ``e^{exponents}``), its own irreducible
    share (``logit s + asymptote``) and division between size and data (``logit q + balance``).
    """

    def values(self, params: Array, size: Size, known: Known) -> tuple[Array, Array]:
        """Log losses of both recipes at ONE size; ``params`` ``(p,)`` unconstrained."""
        level, share, decay, size_share, data_decay, log_factor, exponents, asymptote, balance, *_ = params
        alpha, beta = jnp.exp(decay), jnp.exp(data_decay)
        log_floor, log_rest = jax.nn.log_sigmoid(share), jax.nn.log_sigmoid(-share)
        log_size, log_data = jax.nn.log_sigmoid(size_share), jax.nn.log_sigmoid(-size_share)

        def rest(log_q: Array, log_other: Array, alpha: Array, beta: Array, at: Size) -> Array:
            return jnp.logaddexp(log_q - alpha * at.size, log_other - beta * at.data)

        first = level + jnp.logaddexp(log_floor, log_rest + rest(log_size, log_data, alpha, beta, size))
        moved = Size(log_factor * known.size_growth, log_factor * (1.0 - known.size_growth))
        new_size, new_data = log_size - alpha * moved.size, log_data - beta * moved.data
        new_rest = log_rest + jnp.logaddexp(new_size, new_data)
        own_level = level + jnp.logaddexp(log_floor, new_rest)
        own_share = log_floor - new_rest + asymptote
        own_q = new_size - new_data + balance
        faster = jnp.exp(exponents)
        own = rest(jax.nn.log_sigmoid(own_q), jax.nn.log_sigmoid(-own_q), alpha * faster, beta * faster, size)
        second = own_level + jnp.logaddexp(jax.nn.log_sigmoid(own_share), jax.nn.log_sigmoid(-own_share) + own)
        return first, second


@dataclass(frozen=True)
class ComparedScores:
    """``P = chance + (top − chance)·σ(level + k·((1 + v)·size + (1 − v)·data))`` of the first recipe.

    Of the second, ``level`` is that of the factor's compute at the centre, and ``k`` its own. ``share`` is the logit of
    ``(1 − top)/(1 − chance)``, ``decay`` is log k, ``size_share`` is v.
    """

    def values(self, params: Array, size: Size, known: Known) -> tuple[Array, Array]:
        """Scores of both recipes at ONE size; ``params`` ``(p,)`` unconstrained."""
        level, share, decay, tilt, _, log_factor, exponents, *_ = params
        top = 1.0 - (1.0 - known.chance) * jax.nn.sigmoid(share)

        def way(at: Size) -> Array:
            return (1.0 + tilt) * at.size + (1.0 - tilt) * at.data

        slope = jnp.exp(decay)
        moved = slope * log_factor * way(Size(known.size_growth, 1.0 - known.size_growth))
        first = level + slope * way(size)
        second = level + moved + slope * jnp.exp(exponents) * way(size)
        height = top - known.chance
        return known.chance + height * jax.nn.sigmoid(first), known.chance + height * jax.nn.sigmoid(second)


ComparedLaw = ComparedLosses | ComparedScores
