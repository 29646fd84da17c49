"""A Flax module (nnx) as a law of losses, or as a map from losses to scores: a network of your own.

The module is split into what it is, which is static, and its weights, which are parameters of the law. It is trained by
the methods' recipe, as the paper's network is (:class:`flpjax.laws.network.Network`). Flax is imported when a module is
used, never before: that takes a second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.errors import InputError
from flpjax.ladder.features import Feature, Features
from flpjax.laws.law import REAL, Parameter, Params, Space
from flpjax.laws.saved import probed
from flpjax.laws.standardised import Numbers, power_of_two

BIAS_SD = 0.5  # of starts of what is no matrix, about what the module sets it to; as those of the paper's network


@dataclass(frozen=True)
class ModuleLaw:
    """A Flax module as a law; :func:`flpjax.law` makes one. Its inputs and output are standardised for it.

    Of losses, ``L = exp(level + scale·module(z))``, or without the exponential where values may be negative; of scores,
    ``P(L^1 … L^D) = level + scale·module(z)``. z are the features as laws see them, or the losses, in s.d. from their
    mean.

    Attributes:
        name: Of the module's class, with that of its Python module.
        graph: The module without its weights, and the tree that they stand in; hashable.
        table: ``(weight,)`` names and priors: the spread of random starts (He et al. 2015).
        features: ``(feature,)`` what a law of losses reads; () of a map from losses to scores.
        space: Of a law of losses: ``"log"`` for positive losses, ``"linear"`` where they may be negative.
        centre: ``(column,)`` means of the inputs.
        spread: ``(column,)`` their standard deviations.
        level: Mean output.
        scale: Standard deviation of the output.
    """

    trained: ClassVar[bool] = True  # by a recipe: weights tie, and Gauss–Newton fails at kinks
    prior_regularised: ClassVar[bool] = True  # weight decay holds what few runs leave open

    name: str
    graph: tuple[Any, Any]
    table: tuple[tuple[str, Parameter], ...]
    features: tuple[Feature, ...] = ()
    space: Space = "log"
    centre: Numbers = ()
    spread: Numbers = ()
    level: float = 0.0
    scale: float = 1.0

    def parameters(self) -> Mapping[str, Parameter]:
        """Weights by their path in the module."""
        return dict(self.table)

    def inputs(self) -> tuple[str, ...]:
        """The features that were named; none of a map from losses."""
        return tuple(feature.name for feature in self.features)

    def apply(self, params: Params, x: Any) -> Array:
        """The loss at the features, or the score at the losses, of ONE row."""
        columns = self._columns(x)
        z = (columns - jnp.array(self.centre, columns.dtype)) / jnp.array(self.spread, columns.dtype)
        value = self.level + self.scale * self.output(params, z)
        return jnp.exp(value) if self.features and self.space == "log" else value

    def output(self, params: Params, z: Array) -> Array:
        """What the module says of standardised inputs ``(column,)``."""
        from flax import nnx

        graph, tree = self.graph
        module = nnx.merge(graph, jax.tree.unflatten(tree, [params[name] for name, _ in self.table]))
        return jnp.reshape(module(z), ())

    def guess(self, x: Any, y: Array, weight: Array) -> Params:
        """Prior means: a recipe begins at random."""
        return {name: jnp.full(p.shape, p.loc, y.dtype) for name, p in self.table}

    def constants(self, params: Params) -> dict[str, Array]:
        """None: the weights of a network have no meaning one by one."""
        return {}

    def centred(self, x: Any) -> Self:
        """Standardised for rows ``x`` of features, or of losses ``(row,)`` or ``(row, domain)``.

        Raises:
            InputError: The module does not take as many inputs, or gives more than one number.
        """
        columns = np.asarray(self._columns(x, rows=True))
        means, spreads = columns.mean(axis=0), columns.std(axis=0)
        least = 1e-9 * np.maximum(np.abs(means), 1e-9)  # rounding: the column does not vary
        spread = tuple(power_of_two(float(s), float(at)) for s, at in zip(spreads, least, strict=True))
        centre = tuple(0.25 * s * round(float(m) / (0.25 * s)) for m, s in zip(means, spread, strict=True))
        sized = replace(self, centre=centre, spread=spread)
        sized._check()
        return sized

    def scaled(self, y: NDArray[Any]) -> Self:
        """Standardised for outputs ``y`` of any shape: scores, or losses, or their logarithms in log space."""
        return replace(self, level=round(float(np.mean(y)), 1), scale=power_of_two(float(np.std(y))))

    def suited(self, features: Iterable[Feature], sources: tuple[str, ...], y: NDArray[np.float64] | None) -> Self:
        """Standardised for measured losses ``y``, NaN where none was."""
        found = np.empty(0) if y is None else y[np.isfinite(y)]
        return self.scaled(np.log(found) if self.space == "log" else found) if found.size else self

    def _columns(self, x: Any, rows: bool = False) -> Array:
        """Inputs ``(column,)`` of one row, or ``(row, column)``."""
        wide = 2 if rows else 1
        each = [x[f.name] for f in self.features] if isinstance(x, Features) else [x]
        return jnp.concatenate([v if jnp.ndim(v) == wide else jnp.asarray(v)[..., None] for v in each], axis=-1)

    def _check(self) -> None:
        weights = {name: jax.ShapeDtypeStruct(p.shape, jnp.zeros(0).dtype) for name, p in self.table}
        z = jax.ShapeDtypeStruct((len(self.centre),), jnp.zeros(0).dtype)
        what = f"{len(self.centre)} {'features' if self.features else 'losses'}"
        try:
            jax.eval_shape(self.output, weights, z)
        except Exception as error:  # whatever a module of the caller's raises
            raise InputError(
                f"the module makes no number of {what} ({type(error).__name__}: {str(error).splitlines()[0][:200]})",
                where=str(self),
                remedy=f"Give one that takes an array of shape ({len(self.centre)},) and returns one number",
            ) from error

    @property
    def saved_name(self) -> str:
        """Under which it is found again when draws are loaded."""
        return self.name

    def saved_fields(self) -> dict[str, Any]:
        """What of it is data: its configuration, and a value that tells whether the module is still the same."""
        own = {n: getattr(self, n) for n in ("features", "space", "centre", "spread", "level", "scale")}
        return own | {"weights": tuple((name, p.shape) for name, p in self.table), "probe": self._probe()}

    def restored(self, fields: Mapping[str, Any]) -> Self | None:
        """The same module with a saved configuration; None if it is not the one that was saved."""
        own = {n: v for n, v in fields.items() if n not in ("weights", "probe")}
        if fields["weights"] != tuple((name, p.shape) for name, p in self.table):
            return None
        made = replace(self, **own)
        return made if np.isclose(made._probe(), fields["probe"], rtol=1e-4, equal_nan=True) else None

    def _probe(self) -> float:
        return probed(self.table, lambda params: self.output(params, 0.5 * jnp.ones(len(self.centre))))

    def __str__(self) -> str:
        return f"{self.name.rpartition('.')[2].rpartition(':')[2]}({sum(int(np.prod(p.shape)) for _, p in self.table)})"


def is_module(value: object) -> bool:
    """Whether a value is a Flax module; Flax need not be there."""
    nnx = sys.modules.get("flax.nnx")
    return nnx is not None and isinstance(value, nnx.Module)


def module_law(module: Any, features: tuple[Feature, ...], space: Space) -> ModuleLaw:
    """A module as a law of features, or of losses if there are none.

    Raises:
        InputError: It holds what is no parameter, such as batch statistics; has none; or can't be compared.
    """
    from flax import nnx

    where = f"the module {type(module).__name__}"
    graph, weights, others = nnx.split(module, nnx.Param, ...)  # type: ignore[misc]
    held = sorted({type(leaf).__name__ for _, leaf in nnx.to_flat_state(others)})
    if held:
        raise InputError(
            f"it holds {', '.join(held)}, beside parameters",
            where=where,
            remedy="Leave dropout and batch statistics out: the recipe's weight decay holds the weights",
        )
    named = [(".".join(map(str, path)), np.asarray(leaf[...])) for path, leaf in nnx.to_flat_state(weights)]
    if not named:
        raise InputError("it has no parameters", where=where, remedy="Give a module with nnx.Param to fit")
    tree = jax.tree.structure(weights)
    try:
        hash((graph, tree))
    except TypeError as error:
        raise InputError(
            f"it can't be compared with another ({error})", where=where, remedy="Keep no lists or arrays in attributes"
        ) from error
    kind = type(module)
    table = tuple((name, _parameter(name, value)) for name, value in named)
    return ModuleLaw(f"{kind.__module__}:{kind.__qualname__}", (graph, tree), table, features, space)


def _parameter(name: str, value: NDArray[Any]) -> Parameter:
    """A weight's prior: of a matrix, the spread that keeps the size of what passes; else about what the module sets."""
    if value.ndim > 1:
        return Parameter(REAL, 0.0, float(np.sqrt(2.0 / np.prod(value.shape[:-1]))), name, value.shape)
    return Parameter(REAL, float(np.mean(value)), max(float(np.std(value)), BIAS_SD), name, value.shape)
