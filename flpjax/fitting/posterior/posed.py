"""A predictor on a ladder as a question to be sampled: layers, data and priors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.typing import ArrayLike

from flpjax.fitting.posterior.density import Evidence
from flpjax.fitting.posterior.layers import layers_of
from flpjax.fitting.posterior.likelihood import Layer
from flpjax.fitting.posterior.priors import Normal, Priors, scaled, vectors_of
from flpjax.predictors.predictor import Model, Plan


@dataclass(frozen=True, eq=False)
class Posed:
    """A plan as a question to be sampled.

    Attributes:
        plan: The bound predictor.
        layers: Its stages, static.
        evidence: Layer → data and priors.
        model: What the draws belong to.
        priors: As they can be read.
    """

    plan: Plan
    layers: tuple[Layer, ...]
    evidence: tuple[Evidence, ...]
    model: Model
    priors: Priors


def pose(
    plan: Plan,
    priors: Priors | Mapping[str, Normal | tuple[ArrayLike, ArrayLike]] | None = None,
    emergence: bool | None = None,
) -> Posed:
    """Data and priors of a plan.

    Raises:
        InputError: A prior is of no parameter, or is no distribution.
    """
    layers, data, model = layers_of(plan, emergence)
    own = scaled(plan, layers)
    if isinstance(priors, Priors):
        priors = {row.name: Normal(row.loc, row.scale) for row in priors.rows}
    chosen = own.replaced(priors or {})
    placed = vectors_of(chosen, layers)
    evidence = tuple(Evidence(d, loc, scale) for d, (loc, scale) in zip(data, placed, strict=True))
    return Posed(plan, layers, evidence, model, chosen)
