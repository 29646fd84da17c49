"""A grammar of loss → score models: terms of standardised domain losses, summed and bent by a link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.errors import InputError, did_you_mean
from flpjax.forms.form import REAL, UNIT, Parameter, Params

Link = Literal["identity", "logit", "exponential"]
"""``P = η``; ``chance + (ceiling − chance)·σ(η)``; ``chance + floor + e^η`` (Gadre et al. 2024, eq. 5)."""
Kind = Literal["average", "domain", "square", "hinge", "product"]
NAMES: dict[Kind, int] = {"average": 0, "domain": 1, "square": 1, "hinge": 1, "product": 2}  # domains of a term
FREE: dict[Link, Parameter] = {
    "logit": Parameter(UNIT, 1.5, 1.0, "(ceiling − chance) / (1 − chance)"),
    "exponential": Parameter(REAL, 0.0, 0.1, "score as losses grow, above chance", affine="linear"),
}
"""What a link fits beside the sum."""
NAME_OF_FREE: dict[Link, str] = {"logit": "reach", "exponential": "floor"}
CONSTANT: dict[Link, tuple[float, float]] = {"identity": (0.5, 0.5), "logit": (0.0, 2.0), "exponential": (-1.5, 1.5)}
SLOPE: dict[Link, float] = {"identity": 0.1, "logit": 1.0, "exponential": 0.5}  # the ridge: change per s.d. of a loss


@dataclass(frozen=True)
class Term:
    """One term of standardised losses z: what its coefficient multiplies.

    ``average`` is the average loss, ``domain`` z_d, ``square`` z_d², ``hinge`` max(0, knot − z_d), which wakes up when
    the loss has fallen below the knot, and ``product`` z_d·z_e.

    Attributes:
        kind: Which of them.
        names: The domains it reads: none for the average, two for a product, else one.
        knot: Of a hinge, in standard deviations from the mean loss.
    """

    kind: Kind
    names: tuple[str, ...] = ()
    knot: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in NAMES:
            raise InputError(f"there is no term '{self.kind}'", where="Term", remedy=did_you_mean(self.kind, NAMES))
        if not isinstance(self.names, tuple) or len(self.names) != NAMES[self.kind]:
            raise InputError(
                f"the domains of a term '{self.kind}' are {self.names!r}",
                where="Term",
                remedy=f"Give a tuple of {NAMES[self.kind]}",
            )
        if not np.isfinite(self.knot):
            raise InputError(f"the knot is {self.knot}", where="Term", remedy="Give a number of standard deviations")


@dataclass(frozen=True)
class Expression:
    """``P(L^1 … L^D) = link⁻¹(constant + Σ_k slope_k·term_k(z))`` of standardised losses ``z = (L − centre)/spread``.

    With the identity link it is affine in all of its parameters: the fit is in closed form.

    Attributes:
        terms: ``(term,)`` what is summed, each once.
        domains: ``(domain,)`` names of the losses, in the order in which rows give them.
        link: How the sum becomes a score.
        chance: The score of random guessing, from which logit and exponential rise.
        ceiling: Of the logit link, the score that falling losses approach; None fits it.
        centre: ``(domain,)`` mean losses; () for zeros.
        spread: ``(domain,)`` standard deviations of the losses; () for ones.

    Raises:
        InputError: A term names no domain there is, or stands twice, or the ceiling is no score above chance.
    """

    terms: tuple[Term, ...]
    domains: tuple[str, ...]
    link: Link = "identity"
    chance: float = 0.0
    ceiling: float | None = None
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.link not in get_args(Link):
            raise InputError(
                f"there is no link '{self.link}'", where="Expression", remedy=did_you_mean(self.link, get_args(Link))
            )
        if not isinstance(self.terms, tuple) or not self.terms or not all(isinstance(t, Term) for t in self.terms):
            raise InputError(f"the terms are {self.terms!r}", where="Expression", remedy="Give a tuple of Terms")
        if len(set(self.terms)) < len(self.terms):
            raise InputError("a term stands twice", where="Expression", remedy="Give each once")
        for name in (n for term in self.terms for n in term.names):
            if name not in self.domains:
                remedy = did_you_mean(name, self.domains)
                raise InputError(f"there is no loss domain '{name}'", where="Expression", remedy=remedy)
        if self.ceiling is not None and (self.link != "logit" or not self.chance < self.ceiling <= 1.0):
            raise InputError(
                f"the ceiling {self.ceiling:g} over a chance level of {self.chance:g} under the link '{self.link}'",
                where="Expression",
                remedy="Give a ceiling to the logit link only, above chance and up to 1",
            )
        count = len(self.domains)
        object.__setattr__(self, "centre", self.centre or (0.0,) * count)
        object.__setattr__(self, "spread", self.spread or (1.0,) * count)

    @property
    def free(self) -> bool:
        """Whether the link has a parameter to fit: a floor, or a ceiling that is not given."""
        return self.link in FREE and self.ceiling is None

    def parameters(self) -> Mapping[str, Parameter]:
        """The constant, the slopes, and what the link leaves free; the priors of the slopes are a ridge."""
        affine: Literal["linear"] | None = "linear" if self.link == "identity" else None
        table = {
            "constant": Parameter(REAL, *CONSTANT[self.link], "the sum at the mean losses", affine=affine),
            "slopes": Parameter(REAL, 0.0, SLOPE[self.link], "of the terms", (len(self.terms),), affine),
        }
        return table | ({NAME_OF_FREE[self.link]: FREE[self.link]} if self.free else {})

    def features(self, x: Any) -> Any:
        """Terms ``(..., term)`` at losses ``x`` ``(..., domain)``, of NumPy or of JAX as these are."""
        xp: Any = np if isinstance(x, np.ndarray) else jnp
        centre, spread = xp.asarray(self.centre, x.dtype), xp.asarray(self.spread, x.dtype)
        z = (x - centre.reshape((1,) * (x.ndim - 1) + (-1,))) / spread.reshape((1,) * (x.ndim - 1) + (-1,))
        columns = []
        for term in self.terms:
            own = [z[..., self.domains.index(name)] for name in term.names]
            if term.kind == "average":
                columns.append(xp.sum(x, axis=-1) / sum(self.spread) - sum(self.centre) / sum(self.spread))
            elif term.kind == "hinge":
                columns.append(xp.maximum(0.0, term.knot - own[0]))
            else:
                columns.append(own[0] * own[-1] if term.kind in ("square", "product") else own[0])
        return xp.stack(columns, axis=-1)

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the domain losses ``x`` ``(domain,)`` of one checkpoint."""
        eta = params["constant"] + jnp.dot(self.features(x), params["slopes"])
        free = params[NAME_OF_FREE[self.link]] if self.free else None
        return respond(self.link, eta, free, self.chance, self.ceiling)

    def guess(self, x: Array, y: Array, weight: Array) -> Params:
        """Free parameters just outside the scores seen; then a ridge of the sum that the link asks for."""
        vector, free = guess_sum(self.link, self.features(x), y, weight, self.chance, self.ceiling)
        start = {"constant": vector[0], "slopes": vector[1:]}
        return start | ({NAME_OF_FREE[self.link]: free} if self.free else {})

    def constants(self, params: Params) -> dict[str, Array]:
        """The slope of each term by its words, and ``floor`` or ``ceiling`` as scores."""
        table = {"constant": params["constant"]}
        table |= {self.term_words(t): params["slopes"][i] for i, t in enumerate(self.terms)}
        if self.link == "logit":
            fixed = self.ceiling if self.ceiling is not None else 0.0
            fitted = self.chance + params["reach"] * (1.0 - self.chance) if self.free else jnp.asarray(fixed)
            table["ceiling"] = fitted
        if self.link == "exponential":
            table["floor"] = self.chance + params["floor"]
        return table

    def centred(self, x: Any) -> Self:
        """Standardised for losses ``x`` ``(row, domain)``."""
        spread = np.std(x, axis=0)
        centre = tuple(round(float(v), 2) for v in np.mean(x, axis=0))
        return replace(self, centre=centre, spread=tuple(round(float(v), 2) if v > 0.01 else 1.0 for v in spread))

    def term_words(self, term: Term) -> str:
        """A term as it is written: knots in the losses' own unit."""
        own = [f"z({name})" for name in term.names]
        if term.kind == "hinge":
            i = self.domains.index(term.names[0])
            return f"max(0, {self.centre[i] + term.knot * self.spread[i]:.3g} − {term.names[0]})/{self.spread[i]:g}"
        return {"average": "z(average)", "square": f"{own[0] if own else ''}²"}.get(term.kind, "·".join(own))

    def words(self, params: Params | None = None) -> str:
        """The formula with domain names, and with the fitted numbers if these are given."""
        terms = [self.term_words(t) for t in self.terms]
        total = " + ".join(["c0", *(f"c{i + 1}·{t}" for i, t in enumerate(terms))])
        floor, top = f"{self.chance:g} + floor", "ceiling" if self.ceiling is None else f"{self.ceiling:g}"
        if params is not None:
            slopes = [float(s) for s in np.asarray(params["slopes"])]
            signed = (f" {'−' if s < 0 else '+'} {abs(s):.3g}·{t}" for s, t in zip(slopes, terms, strict=True))
            total = f"{float(params['constant']):.3g}" + "".join(signed)
            known = self.constants({name: jnp.asarray(value) for name, value in params.items()})
            floor, top = (f"{float(known[n]):.3g}" if n in known else "" for n in ("floor", "ceiling"))
        if self.link == "identity":
            return total
        if self.link == "exponential":
            return f"{floor} + exp({total})"
        return f"{self.chance:g} + ({top} − {self.chance:g})·σ({total})"

    def __str__(self) -> str:
        return self.words()


def respond(link: Link, eta: Any, free: Any, chance: Any, ceiling: Any) -> Array:
    """The score at a sum ``eta``: link⁻¹, with the link's free parameter, if any."""
    if link == "identity":
        return eta
    if link == "exponential":
        return chance + free + jnp.exp(eta)
    return chance + (free * (1.0 - chance) if ceiling is None else ceiling - chance) * jax.nn.sigmoid(eta)


def guess_sum(
    link: Link, features: Array, y: Array, weight: Array, chance: Any, ceiling: Any, reach: Any = 0.5
) -> tuple[Array, Array]:
    """Constant and slopes ``(1 + term,)`` by a weighted ridge through the link of the scores, and the free parameter.

    Args:
        link: The link.
        features: ``(row, term)``.
        y: ``(row,)`` scores.
        weight: ``(row,)``.
        chance: The score of random guessing.
        ceiling: The given one, or None.
        reach: How far outside the scores seen the free parameter starts, 0 to 1.
    """
    low = jnp.min(jnp.where(weight > 0, y, jnp.inf))
    high = jnp.max(jnp.where(weight > 0, y, -jnp.inf))
    free = jnp.zeros_like(low)
    if link == "logit":
        free = jnp.clip((high + reach * (1.0 - high) - chance) / (1.0 - chance), 0.02, 0.98)
        top = chance + free * (1.0 - chance) if ceiling is None else ceiling
        height = jnp.clip((y - chance) / jnp.maximum(top - chance, 1e-3), 0.01, 0.99)
        y = jnp.log(height / (1.0 - height))
    elif link == "exponential":
        free = low - reach * jnp.maximum(high - low, 0.01) - chance
        y = jnp.log(jnp.maximum(y - chance - free, 1e-3))
    rows = jnp.concatenate([jnp.ones_like(features[:, :1]), features], axis=1)
    weighed = rows * weight[:, None]
    ridge = 1e-3 * jnp.sum(weight) * jnp.eye(rows.shape[1], dtype=rows.dtype)
    return jnp.linalg.solve(weighed.T @ rows + ridge, weighed.T @ y), free


@dataclass(frozen=True)
class Tabulated:
    """The residual of any expression of a link, its terms given as data: few programs fit the whole grammar.

    The vector is constant, slopes ``(width,)`` and the link's free parameter, if any, unconstrained. A row is terms
    ``(width,)``, filled up with zeros, then chance, ceiling and score.
    """

    link: Link
    free: bool
    width: int

    @property
    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Location and scale ``(p,)`` of the prior of :meth:`Expression.parameters`, unconstrained."""
        (at, wide), slope = CONSTANT[self.link], SLOPE[self.link]
        last = [FREE[self.link]] if self.free else []
        loc = [at, *[0.0] * self.width, *(p.loc for p in last)]
        return np.array(loc), np.array([wide, *[slope] * self.width, *(p.scale for p in last)])

    def __call__(self, vector: Array, data: tuple[Array, Array, Array, Array]) -> Array:
        """``form − y`` of ONE row; callers ``vmap``."""
        features, chance, ceiling, y = data
        eta = vector[0] + jnp.dot(features, vector[1 : 1 + self.width])
        free = FREE[self.link].bijector(vector[-1]) if self.free else None
        return respond(self.link, eta, free, chance, None if self.free else ceiling) - y
