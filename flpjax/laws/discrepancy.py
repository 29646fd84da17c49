"""A law and how far reality departs from it: model error as part of the law (Kennedy & O'Hagan 2001).

The departure is a Gaussian process, an integrated Wiener process along each axis: it starts at the smallest run with
neither height nor slope, and its slope then drifts. Far from the data the last slope carries on, and the standard
deviation grows as the distance to the power 1.5. A process whose curvature is constant within cells stands in for it,
so that a departure is a sum of a few dozen known functions with standard normal weights: parameters like any others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.ladder.features import Features
from flpjax.laws.law import POSITIVE, REAL, Law, Parameter, Params, Space, falls
from flpjax.laws.sources import WorthLaw

INSIDE = 6  # cells of constant curvature among the runs
GROWTH = 2.0  # of the cells beyond them, each of the one before
BEYOND = 12.0  # e-folds of compute beyond the largest run, from where the last slope carries on for sure
RATIO = "tokens per parameter"
SHARES = {"flops": 0.25, "params": 0.25, "tokens": 0.25, RATIO: 1.0}
"""Of the variance, by axis. Runs of one C that differ in D/N err as much across as along: with an axis along tokens per
parameter log evidence on the panel of ``benchmarks.unseen`` rises by 90. Shares of the others it hardly tells apart."""
STEP = {"log": 0.5, "linear": 0.05}  # edges are rounded to multiples, so that similar ladders share programs
AMPLITUDE: dict[Space, tuple[float, float]] = {"log": (0.002, 1.5), "linear": (0.1, 1.2)}
"""Median, and s.d. of the logarithm, of the amplitude: of log losses per e-fold^1.5, of scores per nat^1.5."""


class Axis(NamedTuple):
    """What a departure grows along.

    Attributes:
        feature: A feature of compute; empty for minus the loss, or minus the mean of several.
        edges: Of the cells of constant curvature, from the smallest run on.
        share: Of the variance.
    """

    feature: str
    edges: tuple[float, ...]
    share: float

    def along(self, x: Any) -> Any:
        """Where one row lies."""
        if self.feature == RATIO:
            return x["tokens"] - x["params"]
        return x[self.feature] if self.feature else -jnp.mean(x)

    def along_rows(self, x: Any) -> np.ndarray:
        """``(row,)`` where rows lie; leaves ``(row, …)``."""
        if self.feature:
            return np.asarray(self.along(x))
        losses = -np.asarray(x, float)
        return losses.mean(axis=1) if losses.ndim > 1 else losses

    def cells(self, along: Any) -> Any:
        """``(…, cell)`` what each cell's weight does at places ``(…)``, of JAX or of NumPy, at amplitude 1."""
        where, edges = jnp if isinstance(along, Array) else np, np.array(self.edges)
        beyond = 0.5 * where.maximum(along[..., None] - edges, 0.0) ** 2
        return np.sqrt(self.share / np.diff(edges)) * (beyond[..., :-1] - beyond[..., 1:])


@dataclass(frozen=True)
class Discrepancy:
    """``law(x)·e^{g(x)}`` of a loss, ``law(x) + g(x)`` of a score, with a Gaussian process g.

    Attributes:
        law: The formula that is departed from.
        space: ``"log"`` for losses, ``"linear"`` for scores.
        axes: What g grows along; :meth:`centred` finds it: C, and of N and D those that the law reads, as far as runs
            vary them; or the loss.
    """

    law: Law
    space: Space = "log"
    axes: tuple[Axis, ...] = ()
    prior_regularised: ClassVar[bool] = True

    @property
    def singular(self) -> bool:
        """Whether the law is, at a source without compute."""
        return bool(getattr(self.law, "singular", False))

    @property
    def falls(self) -> bool:
        """Whether the law is of scores that fall with compute."""
        return falls(self.law)

    @property
    def cells(self) -> int:
        """How many weights g has."""
        return sum(len(axis.edges) - 1 for axis in self.axes)

    def parameters(self) -> Mapping[str, Parameter]:
        """The law's own, the amplitude of g, and the weights of its cells."""
        median, sd = AMPLITUDE[self.space]
        return {
            **self.law.parameters(),
            "amplitude": Parameter(POSITIVE, float(np.log(median)), sd, "s.d. of the departure at a distance of 1"),
            "curvature": Parameter(REAL, 0.0, 1.0, "weights of the cells of the departure", (self.cells,)),
        }

    def inputs(self) -> tuple[str, ...]:
        """The law's, and those that g grows along."""
        own = self.law.inputs()
        return (*own, *(axis.feature for axis in self.axes if axis.feature not in ("", RATIO, *own)))

    def basis(self, x: Any) -> Array:
        """``(cell,)`` what each weight does at ONE row, at amplitude 1."""
        parts = [axis.cells(jnp.asarray(axis.along(x))) for axis in self.axes]
        return jnp.concatenate([jnp.zeros((0,)), *parts])

    def basis_of_rows(self, x: Any) -> np.ndarray:
        """``(row, cell)`` the same at rows ``(row, …)``, on the host."""
        return np.concatenate([axis.cells(axis.along_rows(x)) for axis in self.axes], axis=1)

    def departure(self, params: Params, x: Any) -> Array:
        """G at ONE row."""
        return params["amplitude"] * jnp.dot(self.basis(x), params["curvature"])

    def apply(self, params: Params, x: Any) -> Array:
        """The value at ONE row."""
        value, departure = self.law.apply(params, x), self.departure(params, x)
        return value * jnp.exp(departure) if self.space == "log" else value + departure

    def guess(self, x: Any, y: Array, weight: Array) -> Params:
        """The law's own, without a departure."""
        median, _ = AMPLITUDE[self.space]
        none = jnp.zeros((self.cells,), y.dtype)
        return {**self.law.guess(x, y, weight), "amplitude": jnp.full_like(y[0], median), "curvature": none}

    def constants(self, params: Params) -> dict[str, Array]:
        """The law's symbols, and ``discrepancy``, the amplitude."""
        return {**self.law.constants(params), "discrepancy": params["amplitude"]}

    def centred(self, x: Any) -> Self:
        """The law centred on rows ``x``, and the axes that they span."""
        return replace(self, law=self.law.centred(x), axes=_axes(x, self.law.inputs()))

    def worth_law(self, params: Params, x: Features) -> WorthLaw:
        """The law at one target as a function of the mixture; g does not depend on it."""
        departure = self.departure(params, x)
        law: WorthLaw = self.law.worth_law(params, x)  # type: ignore[attr-defined]
        return law._replace(floor=law.floor * jnp.exp(departure), log_rest=law.log_rest + departure)


def _axes(x: Any, read: tuple[str, ...]) -> tuple[Axis, ...]:
    """The axes that rows span, of those that a law reads, and C; none along which they are alike."""
    if isinstance(x, Features):
        names = [name for name in SHARES if name in x and name in ("flops", *read)]
        spans = [(name, np.asarray(x[name]), SHARES[name]) for name in names]
        if RATIO in SHARES and {"params", "tokens"} <= set(read):
            spans.append((RATIO, np.asarray(Axis(RATIO, (), 0.0).along(x)), SHARES[RATIO]))
        return tuple(Axis(n, _edges(v, STEP["log"], BEYOND), s) for n, v, s in spans if np.ptp(v) > STEP["log"])
    losses = Axis("", (), 1.0).along_rows(x)
    return (Axis("", _edges(losses, STEP["linear"], -float(losses.max())), 1.0),) if np.ptp(losses) > 0 else ()


def _edges(values: np.ndarray, step: float, beyond: float) -> tuple[float, ...]:
    low, high = step * np.floor(values.min() / step), step * np.ceil(values.max() / step)
    width = (high - low) / INSIDE
    edges = list(low + width * np.arange(INSIDE + 1))
    while edges[-1] < high + beyond:
        width *= GROWTH
        edges.append(edges[-1] + width)
    return tuple(round(float(edge), 6) for edge in edges)
