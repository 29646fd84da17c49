"""The posterior that is to be sampled: a method bound to a ladder, as layers, data and priors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.typing import ArrayLike

from flpjax.fitting.posterior.density import PosteriorData
from flpjax.fitting.posterior.layers import layers_of
from flpjax.fitting.posterior.likelihood import Layer
from flpjax.fitting.posterior.priors import Normal, Priors, scaled, vectors_of
from flpjax.methods.method import BoundModel, Model


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
