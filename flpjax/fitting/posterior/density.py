"""The density of a posterior: a NumPyro model generated from the laws' own tables, and the same as a sum over outputs.

The score is measured given the measured loss, so that outputs are independent given their own parameters, and both
stages are one model: a draw of it takes the error of the loss into the score.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.infer.util import potential_energy

from flpjax.fitting.posterior.likelihood import NOISE, Layer, LayerData, log_likelihood
from flpjax.laws.law import Parameter, Params

Vectors = tuple[Array, ...]
"""Layer → unconstrained ``(output, p)``."""


class PosteriorData(NamedTuple):
    """All numbers that a posterior is conditioned on: those of one layer."""

    data: LayerData
    loc: Array  # (output, p) of the priors, unconstrained
    scale: Array  # (output, p)


def unpacked(layer: Layer, vector: Array) -> Params:
    """Unconstrained ``(p,)`` of ONE output → parameters inside their supports."""
    params, at = {}, 0
    for name, parameter, count in _entries(layer):
        params[name] = parameter.bijector(vector[at : at + count].reshape(parameter.shape))
        at += count
    return params


def log_density(layer: Layer, vector: Array, evidence: PosteriorData) -> Array:
    """Log posterior density of ONE output at unconstrained ``(p,)``, up to a constant."""
    prior = dist.Normal(evidence.loc, evidence.scale).log_prob(vector).sum()
    return prior + log_likelihood(layer, unpacked(layer, vector), evidence.data)


def model(layers: tuple[Layer, ...], evidence: tuple[PosteriorData, ...]) -> None:
    """The NumPyro model: a site a parameter, ``stage/parameter`` of shape ``(output, …)``, and each stage's likelihood.

    Args:
        layers: The stages; static.
        evidence: Layer → data and priors.
    """
    for layer, known in zip(layers, evidence, strict=True):
        params, at = {}, 0
        for name, parameter, count in _entries(layer):
            shape = (len(known.loc), *parameter.shape)
            loc, scale = (v[:, at : at + count].reshape(shape) for v in (known.loc, known.scale))
            prior = dist.TransformedDistribution(dist.Normal(loc, scale), parameter.bijector)
            params[name] = numpyro.sample(f"{layer.stage}/{name}", prior.to_event(len(shape)))
            at += count
        each = jax.vmap(partial(log_likelihood, layer))(params, known.data)
        numpyro.factor(f"{layer.stage}/measured", each.sum())


def potential(layers: tuple[Layer, ...], vectors: Vectors, evidence: tuple[PosteriorData, ...]) -> Array:
    """Minus the log density of the NumPyro model in the unconstrained space."""
    sites: dict[str, Any] = {}
    for layer, vector in zip(layers, vectors, strict=True):
        at = 0
        for name, parameter, count in _entries(layer):
            sites[f"{layer.stage}/{name}"] = vector[:, at : at + count].reshape(len(vector), *parameter.shape)
            at += count
    return jnp.asarray(potential_energy(model, (layers, evidence), {}, sites))


def noise_names(layer: Layer) -> tuple[str, ...]:
    """The layer's parameters that are no part of the model that forecasts."""
    return tuple(name for name in layer.parameters() if name.startswith(NOISE))


def _entries(layer: Layer) -> list[tuple[str, Parameter, int]]:
    """Name, parameter and how many numbers it is, in the order of the vector."""
    found = []
    for name, parameter in layer.parameters().items():
        count = 1
        for n in parameter.shape:
            count *= n
        found.append((name, parameter, count))
    return found
