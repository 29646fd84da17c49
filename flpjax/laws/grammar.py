"""A grammar of loss → score models: terms of standardised domain losses, summed and bent by a link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.errors import InputError, did_you_mean
from flpjax.laws.law import REAL, Parameter, Params, unpack
from flpjax.laws.tabulated import SCALES, Link, Tabulated, respond

Kind = Literal["average", "domain", "square", "hinge", "product"]
NAMES: dict[Kind, int] = {"average": 0, "domain": 1, "square": 1, "hinge": 1, "product": 2}  # domains of a term


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
        return SCALES[self.link].free is not None and self.ceiling is None

    def tabulated(self, width: int) -> Tabulated:
        """Its residual with terms given as data, filled up to a width."""
        return Tabulated(self.link, self.free, width)

    def parameters(self) -> Mapping[str, Parameter]:
        """The constant, the slopes, and what the link leaves free; the priors of the slopes are a ridge."""
        affine: Literal["linear"] | None = "linear" if self.link == "identity" else None
        own = SCALES[self.link]
        table = {
            "constant": Parameter(REAL, *own.constant, "the sum at the mean losses", affine=affine),
            "slopes": Parameter(REAL, 0.0, own.slope, "of the terms", (len(self.terms),), affine),
        }
        return table | ({own.name: own.free} if self.free and own.free is not None else {})

    def features(self, x: Any) -> Any:
        """Terms ``(..., term)`` at losses ``x`` ``(..., domain)``, of NumPy or of JAX as these are."""
        xp: Any = np if isinstance(x, np.ndarray) else jnp
        shape = (1,) * (x.ndim - 1) + (-1,)
        centre, spread = (xp.asarray(v, x.dtype).reshape(shape) for v in (self.centre, self.spread))
        z = (x - centre) / spread
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

    def inputs(self) -> tuple[str, ...]:
        """None: it reads losses."""
        return ()

    def apply(self, params: Params, x: Array) -> Array:
        """Score at the domain losses ``x`` ``(domain,)`` of one checkpoint."""
        eta = params["constant"] + jnp.dot(self.features(x), params["slopes"])
        free = params[SCALES[self.link].name] if self.free else None
        return respond(self.link, eta, free, self.chance, self.ceiling)

    def guess(self, x: Array, y: Array, weight: Array) -> Params:
        """What the link leaves free just outside the scores seen; then a ridge of the sum that the link asks for."""
        table = self.tabulated(len(self.terms))
        return unpack(self, table.guess(self.features(x), y, weight, self.chance, self.ceiling))

    def constants(self, params: Params) -> dict[str, Array]:
        """The slope of each term by its words, and ``floor`` or ``ceiling`` as scores."""
        table = {"constant": params["constant"]}
        table |= {self.term_words(t): params["slopes"][i] for i, t in enumerate(self.terms)}
        if self.link == "logit":
            given = self.chance + params["reach"] * (1.0 - self.chance) if self.free else self.ceiling
            table["ceiling"] = jnp.asarray(given)
        if self.link == "exponential":
            table["floor"] = self.chance + params["floor"]
        return table

    def centred(self, x: Any) -> Self:
        """Standardised for losses ``x`` ``(row, domain)``."""
        spread = np.std(x, axis=0)
        centre = tuple(round(float(v), 2) for v in np.mean(x, axis=0))
        return replace(self, centre=centre, spread=tuple(round(float(v), 2) if v > 0.01 else 1.0 for v in spread))

    def knot_of(self, term: Term) -> float:
        """Where a hinge bends, in the loss's own unit."""
        i = self.domains.index(term.names[0])
        return self.centre[i] + term.knot * self.spread[i]

    def term_words(self, term: Term) -> str:
        """A term as it is written: knots in the losses' own unit."""
        own = [f"z({name})" for name in term.names]
        if term.kind == "hinge":
            spread = self.spread[self.domains.index(term.names[0])]
            return f"max(0, {self.knot_of(term):.3g} − {term.names[0]})/{spread:g}"
        return "z(average)" if term.kind == "average" else "·".join(own) + ("²" if term.kind == "square" else "")

    def words(self, params: Params | None = None) -> str:
        """The formula with domain names, and with the fitted numbers if these are given."""
        terms = [self.term_words(t) for t in self.terms]
        total = " + ".join(["c0", *(f"c{i + 1}·{t}" for i, t in enumerate(terms))])
        floor, top = f"{self.chance:g} + floor", "ceiling" if self.ceiling is None else f"{self.ceiling:g}"
        if params is not None:
            slopes = (f" {'−' if s < 0 else '+'} {abs(s):.3g}·" for s in np.asarray(params["slopes"]).tolist())
            total = format_number(params["constant"]) + "".join(map("".join, zip(slopes, terms, strict=True)))
            known = self.constants({name: jnp.asarray(value) for name, value in params.items()})
            floor, top = (format_number(known[n]) if n in known else "" for n in ("floor", "ceiling"))
        if self.link == "identity":
            return total
        if self.link == "exponential":
            return f"{floor} + exp({total})"
        return f"{self.chance:g} + ({top} − {self.chance:g})·σ({total})" if self.chance else f"{top}·σ({total})"

    def __str__(self) -> str:
        return self.words()


def format_number(value: Any, digits: str = ".3g") -> str:
    """A number as formulas have it, with a true minus."""
    return format(float(value), digits).replace("-", "−")
