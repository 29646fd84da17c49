"""A law written as a formula, in the paper's symbols, and fitted in parameters that data identify.

A level trades off against its exponent far from the data: in ``A·N^(−alpha)`` what data know is the size of the whole
term where the ladder is. So each level is fitted as the size of its term at the centre, the geometric mean of the
features, and :meth:`FormulaLaw.constants` gives the paper's symbol.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.elimination import LEAST, solve_definite
from flpjax.errors import InputError, did_you_mean, printable
from flpjax.ladder.features import Feature, Features
from flpjax.laws.formula.parse import parse
from flpjax.laws.formula.roles import Role, Roles, roles_of
from flpjax.laws.formula.tree import Input, Node, Symbol, Values, log_value, value, walk, written
from flpjax.laws.law import POSITIVE, REAL, UNIT, Parameter, Params, Space, centre_of

AT_CENTRE = "_centre"
"""Behind the name of a level or offset, for the size of its term at the centre of the ladder: what is fitted."""
SUPPORTS = {"positive": POSITIVE, "real": REAL, "unit": UNIT}
LEVEL_SD = 1.0  # of log sizes of terms: a factor of 7 either way at 95 %
BOWL, BOWL_SD = 0.01, 1.5
"""What a feature one e-fold off its best costs, as a share of the loss (Li et al. 2025, fig. 1), and the s.d. of its
logarithm; of a term of the loss, which is a tenth of it or so, ten times the share."""
EXPONENT = (-1.1, 0.5)  # about a third, as published exponents are (Hoffmann et al. 2022; Gadre et al. 2024)


class Centre(NamedTuple):
    """Where rows lie along one input, transformed."""

    mean: float
    spread: float


@dataclass(frozen=True)
class FormulaLaw:
    """A law as a formula; :func:`flpjax.law` makes one.

    Attributes:
        text: The formula, such as ``E + A*N^-alpha + B*D^-beta``.
        features: Features by name, beside N, D and C; those in braces need not be given.
        sources: ``(source,)`` data sources whose names are weights.
        space: ``"log"`` for positive losses with relative errors; ``"linear"`` where values may be negative.
        real: Parameters that may be negative although their place says otherwise.
        positive: Parameters that may not.
        huber: Corner of the Huber loss that it is fitted with, unless a method has its own; None for squares.
        centres: ``(input,)`` where the ladder lies.
        level: What values are like: their mean size, for priors.
    """

    text: str
    features: tuple[Feature, ...] = ()
    sources: tuple[str, ...] = ()
    space: Space = "log"
    real: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    huber: float | None = None
    centres: tuple[Centre, ...] = ()
    level: float = 2.0
    tree: Node = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", parse(self.text, self.features, self.sources))
        names = set(self.roles)
        for name in (*self.real, *self.positive):
            if name not in names:
                raise InputError(f"there is no parameter '{name}'", where=self._where, remedy=did_you_mean(name, names))

    @property
    def _where(self) -> str:
        return f"the formula '{printable(self.text)}'"

    @cached_property
    def read(self) -> tuple[Input, ...]:
        """``(input,)`` the features and weights that it reads, each once."""
        return tuple(dict.fromkeys(n for n in walk(self.tree) if isinstance(n, Input)))

    @cached_property
    def _roles(self) -> Roles:
        return roles_of(self.tree, self.space == "linear", frozenset(self.real), frozenset(self.positive))

    @property
    def roles(self) -> dict[str, Role]:
        """Parameter → what it does, those first on which others depend."""
        return self._roles.of

    @cached_property
    def _positive(self) -> frozenset[str]:
        return frozenset(name for name, role in self.roles.items() if role.support != "real")

    def parameters(self) -> Mapping[str, Parameter]:
        """Supports and weak priors by role; levels and offsets as the size of their term at the centre."""
        return self._table

    @cached_property
    def _table(self) -> dict[str, Parameter]:
        return {_fitted(name, role): self._parameter(name, role) for name, role in self.roles.items()}

    def _parameter(self, name: str, role: Role) -> Parameter:
        size = max(abs(self.level), 1e-3)
        loc, scale = 0.0, 1.0
        if role.kind == "exponent":
            loc, scale = (0.0, 0.3) if role.support == "real" else (0.0, 0.5) if role.of_sum else EXPONENT
            about = "exponent"
        elif role.kind == "share":
            about = "share"
        elif role.support == "positive":
            if role.kind == "weight" and role.unit in ("output", "relative"):
                loc, scale = math.log(BOWL * (size if role.unit == "output" else 10.0)), BOWL_SD
            elif role.unit == "output":
                loc, scale = math.log(size / role.terms), LEVEL_SD
            elif role.unit == "exponent":
                loc, scale = EXPONENT
            else:
                scale = 1.5
            about = {"constant": "constant term", "weight": "factor"}.get(role.kind, "size of its term at the centre")
        elif role.unit == "output":
            loc, scale = (self.level if role.kind != "weight" and role.top else 0.0), max(size, 1.0)
            about = {"offset": "the sum at the centre", "constant": "constant term"}.get(role.kind, "factor")
        else:
            if role.kind == "offset" and role.unit == "log":
                loc = math.log(size)
            scale = 1.0 if role.kind == "offset" else 0.5 if role.unit in ("exponent", "log") else 1.0
            about = {"offset": "the sum at the centre", "constant": "constant term"}.get(role.kind, "factor")
        affine: Space | None = None
        if self.space == "linear" and role.support == "real" and role.top:
            affine = "linear"
        return Parameter(SUPPORTS[role.support], loc, scale, f"{name}: {about}", affine=affine)

    def inputs(self) -> tuple[str, ...]:
        """The features that the formula reads."""
        return tuple(dict.fromkeys(node.name for node in self.read))

    def apply(self, params: Params, x: Features) -> Array:
        """The value at ONE row."""
        return jnp.asarray(value(self.tree, self._values(params, x)))

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """Prior medians; then levels and constants of the outermost sum, which is affine in them, by a ridge."""
        table = self.parameters()
        start = {name: jnp.asarray(p.bijector(jnp.asarray(p.loc, y.dtype))) for name, p in table.items()}
        linear = [_fitted(n, role) for n, role in self.roles.items() if role.top and role.outer is None]
        if not linear:
            return start
        first = jnp.stack([start[name] for name in linear])

        def at(levels: Array) -> Array:
            params = start | dict(zip(linear, levels, strict=True))
            return jax.vmap(self.apply, (None, 0))(params, x)

        there, slopes = at(first), jax.jacfwd(at)(first)
        unit = jnp.where(jnp.abs(first) > 1e-6, jnp.abs(first), 1.0)
        columns = jnp.nan_to_num(slopes * unit[None])
        size = jnp.sum(weight * jnp.abs(y)) / jnp.sum(weight)
        ridge = 1e-2 * jnp.sum(weight) * (size**2 + 1e-12) * jnp.eye(len(linear), dtype=y.dtype)
        weighed = columns * weight[:, None]
        step, _ = solve_definite(weighed.T @ columns + ridge, weighed.T @ jnp.nan_to_num(y - there), LEAST)
        for name, old, move, u in zip(linear, first, step, unit, strict=True):
            new = old + move * u
            start[name] = jnp.maximum(new, 0.05 * old) if table[name].support is POSITIVE else new
        return start

    def constants(self, params: Params) -> dict[str, Array]:
        """The formula's own symbols."""
        found, _ = self._symbols(params)
        return {name: jnp.asarray(found[name]) for name in self.order}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The parameters in the order in which they stand in the formula."""
        return tuple(dict.fromkeys(n.name for n in walk(self.tree) if isinstance(n, Symbol)))

    def from_constants(self, constants: Mapping[str, Any]) -> Params:
        """Fitted parameters of known symbols, say published ones; the inverse of :meth:`constants`.

        Raises:
            InputError: A symbol is missing, or there is no such.
        """
        for name in {*constants} ^ {*self.roles}:
            what = "is missing" if name in self.roles else "is no parameter"
            raise InputError(f"'{name}' {what}", where=self._where, remedy=f"Give {', '.join(self.order)}")
        given = {name: jnp.asarray(v) for name, v in constants.items()}
        at = self._centre_values(given, {})
        return {_fitted(name, role): _at_centre(name, role, given[name], at) for name, role in self.roles.items()}

    def _symbols(self, params: Params) -> tuple[dict[str, Array], dict[str, Array]]:
        """The formula's symbols, and the logarithms of those that are positive."""
        found: dict[str, Array] = {}
        logs: dict[str, Array] = {}
        for name, role in self.roles.items():
            fitted = params[_fitted(name, role)]
            if role.kind == "offset":
                found[name] = fitted - role.side * value(role.part, self._centre_values(found, logs))
            elif role.rest is not None:
                at = self._centre_values(found, logs)
                log = jnp.log(fitted) if role.outer is None else jnp.log(fitted) / value(role.outer, at)
                logs[name] = role.side * (log - log_value(role.rest, at))
                found[name] = jnp.exp(logs[name])
            else:
                found[name] = fitted
        return found, logs

    def _values(self, params: Params, x: Any) -> Values:
        found, logs = self._symbols(params)
        return Values(found, x, self._positive, logs)

    def _centre_values(self, found: Mapping[str, Any], logs: Mapping[str, Any]) -> Values:
        return Values(found, self._middle, self._positive, logs)

    @cached_property
    def _middle(self) -> dict[str, Any]:
        """The features at the centre of the ladder; until it is known, at 1, or at equal shares."""
        means = {node: c.mean for node, c in zip(self.read, self.centres, strict=True)} if self.centres else {}
        inside: dict[str, Any] = {n.name: means.get(n, 0.0 if n.transform == "log" else 1.0) for n in self.read}
        if "mix" in inside:
            shares = [1.0 / len(self.sources)] * len(self.sources)
            for node in self.read:
                if node.source is not None and node in means:
                    shares[node.source] = means[node]
            inside["mix"] = tuple(shares)
        return inside

    def centred(self, x: Features) -> Self:
        """Centred on the means of the transformed features of rows ``x``.

        Raises:
            InputError: Two parameters do nothing but multiply, or add to, each other: no data tell them apart. Only
                now is it known that neither is a feature of the table.
        """
        for names in self._roles.confounded:
            raise InputError(
                f"'{names[0]}' and '{names[1]}' only multiply, or add to, each other: no data tell them apart",
                where=self._where,
                remedy="Leave one of them out; or is one a column 'x/<name>' that is missing?",
            )

        def centre(node: Input) -> Centre:
            values = np.asarray(x["mix"])[..., node.source] if node.source is not None else np.asarray(x[node.name])
            step = 1.0 if node.transform == "log" else float(f"{max(abs(np.mean(values)), 1e-12) / 8:.0e}")
            return Centre(centre_of(values, step), float(f"{np.std(values):.1g}"))

        return replace(self, centres=tuple(centre(node) for node in self.read))

    def suited(self, features: Iterable[Feature], sources: tuple[str, ...], y: NDArray[np.float64] | None) -> Self:
        """The same law for a table: names of its features and sources are no parameters, and priors have its scale.

        Args:
            features: Of the table, beside N, D and C.
            sources: ``(source,)`` of the table.
            y: ``(…)`` measured values, NaN where none was; None leaves the scale as it is.

        Raises:
            InputError: As a parameter was declared what is a feature of the table.
        """
        known = {f.name: f for f in self.features} | {f.name: f for f in features}
        needed = tuple(known[n] for n in sorted(known) if n in self.text)
        sources = sources if any(s in self.text for s in sources) else ()
        found = np.empty(0) if y is None else y[np.isfinite(y)]
        level = float(f"{np.median(found):.1g}") if found.size else self.level
        return replace(self, features=needed, sources=sources, level=level or 1e-3)

    @property
    def no_irreducible_loss(self) -> bool:
        """Whether it falls to 0, as a sum does that has no constant term."""
        return not any(role.top and role.kind in ("constant", "offset") for role in self.roles.values())

    def words(self, params: Params | None = None) -> str:
        """The formula as mathematics, with the fitted numbers if these are given."""
        if params is None:
            return written(self.tree)
        return written(self.tree, {name: float(v) for name, v in self.constants(params).items()})

    def __str__(self) -> str:
        return self.words()


def _fitted(name: str, role: Role) -> str:
    return name if role.rest is None else name + AT_CENTRE


def _at_centre(name: str, role: Role, given: Array, at: Values) -> Array:
    if role.kind == "offset":
        return given + role.side * value(role.part, at)
    if role.rest is None:
        return given
    log = role.side * jnp.log(given) + log_value(role.rest, at)
    return jnp.exp(log if role.outer is None else log * value(role.outer, at))
