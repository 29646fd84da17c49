"""Weakly informative priors, scaled to the ladder, and the posterior problem that they complete.

They are what a posterior assumes, to be read before it is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from flpjax.errors import InputError, did_you_mean
from flpjax.fitting.point import bind
from flpjax.fitting.posterior.layers import layers_of
from flpjax.fitting.posterior.likelihood import NOISE, Layer, PosteriorData
from flpjax.laws.law import POSITIVE, REAL, UNIT, Law, Parameter, pack
from flpjax.methods.method import BoundModel, Method, Model, Stage
from flpjax.numerics import on_device
from flpjax.readers.read import Table, read_runs
from flpjax.shown import ShownAsTable

LEVELS = frozenset({"level", "log_level"})
"""Parameters that say where the ladder is, in its own units: their priors go there."""


SUPPORTS = {"real": REAL, "positive": POSITIVE, "unit interval": UNIT}


class Normal(NamedTuple):
    """A normal prior in the unconstrained space: of a number, of the logarithm of a positive one, of a share's logit.

    Numbers, or arrays that broadcast to ``(output, …)``.
    """

    loc: ArrayLike
    scale: ArrayLike


@dataclass(frozen=True, eq=False)
class Prior:
    """The prior of one parameter, of all outputs of its stage.

    Attributes:
        name: As ``loss/exponent``, ``score/slope``, ``noise/loss/sd``.
        about: What it is.
        support: ``real``, ``positive`` or ``unit interval``.
        outputs: ``(output,)`` domains or tasks.
        loc: ``(output, …)`` unconstrained.
        scale: ``(output, …)`` unconstrained.
        parameter: The row of the form's own table.
    """

    name: str
    about: str
    support: str
    outputs: tuple[str, ...]
    loc: NDArray[np.float64]
    scale: NDArray[np.float64]
    parameter: Parameter

    def bounds(self, z: float = 1.959964) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """2.5, 50 and 97.5 % quantiles ``(output, …)``, in the parameter's own space."""
        lower, middle, upper = (
            np.asarray(self.parameter.bijector(jnp.asarray(self.loc + k * self.scale))) for k in (-z, 0.0, z)
        )
        return lower, middle, upper


@dataclass(frozen=True, eq=False)
class Priors(ShownAsTable):
    """All priors of a method on a ladder.

    Attributes:
        rows: In the order of the stages and of their parameters' tables.
    """

    rows: tuple[Prior, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What can be overridden."""
        return tuple(row.name for row in self.rows)

    def replaced(self, given: Mapping[str, Normal | tuple[ArrayLike, ArrayLike]]) -> Priors:
        """The same with some of them given: name → ``(loc, scale)`` in the unconstrained space.

        Raises:
            InputError: There is no such parameter, or a value is not finite, not positive, or of another shape.
        """
        for name in given:
            if name not in self.names:
                raise InputError(
                    f"there is no parameter '{name}'", where="priors", remedy=did_you_mean(name, self.names)
                )
        return Priors(tuple(_given(row, given[row.name]) if row.name in given else row for row in self.rows))

    def to_dicts(self) -> list[dict[str, Any]]:
        """One row a parameter and output: its 95 % interval in its own space, and the normal in the unconstrained."""
        found = []
        for row in self.rows:
            bounds = row.bounds()
            for o, output in enumerate(row.outputs):
                at = (o, *(0,) * (row.loc.ndim - 1))  # entries of one output are alike, unless given one by one
                lower, middle, upper = (float(b[at]) for b in bounds)
                found.append(
                    {
                        "name": row.name,
                        "output": output,
                        "support": row.support,
                        "lower": lower,
                        "median": middle,
                        "upper": upper,
                        "loc": float(row.loc[at]),
                        "scale": float(row.scale[at]),
                        "about": row.about,
                    }
                )
        return found

    def __str__(self) -> str:
        lines = ["95 % of each prior, one line for outputs that share it"]
        seen: dict[tuple[str, str], list[str]] = {}
        about = {}
        for row in self.to_dicts():
            said = f"{row['median']:.3g} [{row['lower']:.3g}, {row['upper']:.3g}]"
            seen.setdefault((row["name"], said), []).append(row["output"])
            about[row["name"]] = row["about"]
        for (name, said), outputs in seen.items():
            alike = sum(key[0] == name for key in seen) == 1
            whose = "" if alike else f" of {', '.join(outputs)}"
            lines.append(f"  {name}{whose}: {said}  ({about[name]})")
        return "\n".join(lines)


def priors_of(method: Method, runs: Table, *, emergence: bool | None = None) -> Priors:
    """What :func:`flpjax.posterior` would assume, before anything is fitted.

    Each law's own priors, with levels moved to where the ladder is, and wide enough for its rough slope.

    Args:
        method: The method.
        runs: The ladder.
        emergence: As for the posterior.

    Raises:
        InputError: The ladder can't carry the method.
        PrecisionError: JAX is in 32 bits.
    """
    runs = read_runs(runs)
    bound = bind(method, runs)
    layers, _, _ = layers_of(bound, emergence)
    return scaled(bound, layers)


def scaled(
    bound: BoundModel, layers: tuple[Layer, ...], guesses: Sequence[NDArray[np.float64]] | None = None
) -> Priors:
    """The priors of a plan's layers, scaled to its data.

    Args:
        bound: The bound method.
        layers: Its stages.
        guesses: Stage → the law's own starts ``(output, p)``, if they are known.
    """
    rows = []
    if guesses is None:
        guesses = [
            np.asarray(_guess(stage.law, *on_device((stage.x, stage.y, stage.weight)))) for stage in bound.stages
        ]
    for stage, layer, guess in zip(bound.stages, layers, guesses, strict=True):
        ruled = _by_range(bound, stage)
        at = 0
        for name, parameter in layer.parameters().items():
            count = int(np.prod(parameter.shape, dtype=int))
            shape = (len(stage.outputs), *parameter.shape)
            loc, scale = np.full(shape, float(parameter.loc)), np.full(shape, float(parameter.scale))
            if name in stage.law.parameters():
                rough = guess[:, at : at + count].reshape(shape)
                at += count
                if name in ruled:
                    loc, scale = (np.broadcast_to(v.reshape(-1, *(1,) * (loc.ndim - 1)), shape) for v in ruled[name])
                elif name in LEVELS:
                    loc = np.round(rough, 1)
                elif parameter.affine is not None:
                    scale = np.maximum(scale, np.round(np.abs(rough - loc), 1))
            support = next(name for name, kind in SUPPORTS.items() if parameter.support is kind)
            full = public_name(stage.name, name)
            rows.append(Prior(full, parameter.about, support, stage.outputs, loc, scale, parameter))
    return Priors(tuple(rows))


def _by_range(bound: BoundModel, stage: Stage) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Parameter → location and scale ``(output,)``, of a law that says them by the range of scores; else none."""
    rule = getattr(stage.law, "priors_between", None)
    if rule is None or stage.name != "score":
        return {}
    chance = {task.name: task.chance for task in bound.runs.tasks}
    each = [rule(chance[output], 1.0) for output in stage.outputs]
    return {name: tuple(np.array([of[name][k] for of in each]) for k in (0, 1)) for name in each[0]}  # type: ignore[misc]


def public_name(stage: str, parameter: str) -> str:
    """``loss/exponent``, ``noise/loss/sd``."""
    if parameter.startswith(NOISE):
        return f"{NOISE}{stage}/{parameter.removeprefix(NOISE)}"
    return f"{stage}/{parameter}"


def vectors_of(priors: Priors, layers: tuple[Layer, ...]) -> tuple[tuple[Array, Array], ...]:
    """Location and scale ``(output, p)`` of every layer's vector."""
    by_name = {row.name: row for row in priors.rows}
    found = []
    for layer in layers:
        rows = [by_name[public_name(layer.stage, name)] for name in layer.parameters()]
        loc, scale = (
            on_device(np.concatenate([getattr(r, what).reshape(len(r.outputs), -1) for r in rows], axis=1))
            for what in ("loc", "scale")
        )
        found.append((loc, scale))
    return tuple(found)


def _given(row: Prior, value: Normal | tuple[ArrayLike, ArrayLike]) -> Prior:
    try:
        loc, scale = (np.broadcast_to(np.asarray(v, np.float64), row.loc.shape).copy() for v in value)
    except (TypeError, ValueError):
        raise InputError(
            f"the prior of '{row.name}' can't be read from {value!r}",
            where="priors",
            remedy=f"Give unconstrained (loc, scale), numbers or arrays that broadcast to {row.loc.shape}",
        ) from None
    if not (np.isfinite(loc).all() and np.isfinite(scale).all() and (scale > 0).all()):
        raise InputError(
            f"the prior of '{row.name}' is no distribution: {value!r}",
            where="priors",
            remedy="Give a finite loc and a scale above 0",
        )
    return replace(row, loc=loc, scale=scale)


@partial(jax.jit, static_argnums=0)
def _guess(law: Law, x: Any, y: Array, weight: Array) -> Array:
    """``(output, p)`` the law's own starts."""
    return jax.vmap(lambda *rows: pack(law, law.guess(*rows)))(x, y, weight)


@dataclass(frozen=True, eq=False)
class PosteriorProblem:
    """A bound method with the data and priors of its layers, ready to be sampled.

    Attributes:
        bound: The bound method.
        layers: Its stages, static.
        evidence: Layer → data and priors.
        model: What the draws belong to.
        priors: As they can be read.
    """

    bound: BoundModel
    layers: tuple[Layer, ...]
    evidence: tuple[PosteriorData, ...]
    model: Model
    priors: Priors


def posterior_problem(
    bound: BoundModel,
    priors: Priors | Mapping[str, Normal | tuple[ArrayLike, ArrayLike]] | None = None,
    emergence: bool | None = None,
) -> PosteriorProblem:
    """Data and priors of a bound method.

    Raises:
        InputError: A prior is of no parameter, or is no distribution.
    """
    layers, data, model = layers_of(bound, emergence)
    own = scaled(bound, layers)
    if isinstance(priors, Priors):
        priors = {row.name: Normal(row.loc, row.scale) for row in priors.rows}
    chosen = own.replaced(priors or {})
    placed = vectors_of(chosen, layers)
    evidence = tuple(PosteriorData(d, loc, scale) for d, (loc, scale) in zip(data, placed, strict=True))
    return PosteriorProblem(bound, layers, evidence, model, chosen)
