"""A law as a Python function of parameters and inputs, for what no formula holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.errors import InputError
from flpjax.ladder.features import Feature, Features
from flpjax.laws.formula.tree import FIELD_SYMBOLS
from flpjax.laws.law import POSITIVE, REAL, UNIT, Parameter, Params, Space
from flpjax.laws.saved import probed

Function = Callable[[Mapping[str, Array], Mapping[str, Any]], Any]
"""``(params, inputs) -> value`` of ONE row, in JAX: parameters by name, features by name as a table has them."""


def positive(median: float = 1.0, factor: float = 3.0, about: str = "") -> Parameter:
    """A parameter above 0 with a log-normal prior: two thirds of it within a factor of the median.

    Raises:
        InputError: The median is not positive, or the factor not above 1.
    """
    if not (0.0 < median < math.inf and 1.0 < factor < math.inf):
        raise InputError(
            f"a median of {median:g} and a factor of {factor:g}",
            where="positive",
            remedy="Give a positive median and a factor above 1",
        )
    return Parameter(POSITIVE, math.log(median), math.log(factor), about)


def real(mean: float = 0.0, sd: float = 1.0, about: str = "") -> Parameter:
    """A parameter of any sign with a normal prior.

    Raises:
        InputError: The mean is not finite, or the s.d. not positive.
    """
    if not (math.isfinite(mean) and 0.0 < sd < math.inf):
        raise InputError(f"a mean of {mean:g} and an s.d. of {sd:g}", where="real", remedy="Give a positive s.d.")
    return Parameter(REAL, mean, sd, about)


def share(median: float = 0.5, about: str = "") -> Parameter:
    """A parameter between 0 and 1 with a logit-normal prior of s.d. 1.

    Raises:
        InputError: The median is not between 0 and 1.
    """
    if not 0.0 < median < 1.0:
        raise InputError(f"a median of {median:g}", where="share", remedy="Give one between 0 and 1")
    return Parameter(UNIT, math.log(median / (1.0 - median)), 1.0, about)


@dataclass(frozen=True)
class FunctionLaw:
    """A law as a function; :func:`flpjax.law` makes one. It is fitted in the parameters that it has.

    Attributes:
        function: ``(params, inputs) -> value`` of one row.
        table: ``(parameter,)`` names and priors.
        features: ``(feature,)`` what it reads, with their transforms, so that it can be given plain values.
        space: ``"log"`` for positive losses with relative errors; ``"linear"`` where values may be negative.
    """

    function: Function
    table: tuple[tuple[str, Parameter], ...]
    features: tuple[Feature, ...]
    space: Space = "log"

    def parameters(self) -> Mapping[str, Parameter]:
        """As they were given."""
        return dict(self.table)

    def inputs(self) -> tuple[str, ...]:
        """The features that were named."""
        return tuple(feature.name for feature in self.features)

    def apply(self, params: Params, x: Features) -> Array:
        """The function at ONE row, features as the table has them."""
        symbols = {name: symbol for symbol, name in FIELD_SYMBOLS.items()}
        plain = {f.name: jnp.exp(x[f.name]) if f.transform == "log" else x[f.name] for f in self.features}
        return jnp.asarray(self.function(params, plain | {symbols[n]: v for n, v in plain.items() if n in symbols}))

    def guess(self, x: Features, y: Array, weight: Array) -> Params:
        """Prior medians."""
        return {name: jnp.asarray(p.bijector(jnp.full(p.shape, p.loc, y.dtype))) for name, p in self.table}

    def constants(self, params: Params) -> dict[str, Array]:
        """The parameters."""
        return dict(params)

    def centred(self, x: Features) -> Self:
        """Itself: what a function does with its inputs is its own affair."""
        return self

    @property
    def saved_name(self) -> str:
        """Under which it is found again when draws are loaded."""
        home = getattr(self.function, "__module__", None) or "__main__"
        return f"{home}:{getattr(self.function, '__qualname__', type(self.function).__name__)}"

    def saved_fields(self) -> dict[str, Any]:
        """What of it is data: names, features, and a value that tells whether the function is still the same."""
        names = tuple((name, p.shape) for name, p in self.table)
        return {"parameters": names, "features": self.features, "space": self.space, "probe": self._probe()}

    def restored(self, fields: Mapping[str, Any]) -> Self | None:
        """Itself; None if it is not the law that was saved."""
        own = self.saved_fields()
        alike = all(own[name] == fields[name] for name in ("parameters", "features", "space"))
        return self if alike and np.isclose(own["probe"], fields["probe"], rtol=1e-6, equal_nan=True) else None

    def _probe(self) -> float:
        if "mix" in self.inputs():  # how many sources there are, a table says
            return math.nan
        at = Features({f.name: jnp.asarray(1.0) for f in self.features})
        return probed(self.table, lambda params: self.apply(params, at))

    def __str__(self) -> str:
        return getattr(self.function, "__name__", "law")
