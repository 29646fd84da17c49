"""The likelihood of one output, with its runs' own effects marginalised, and the density of a posterior over it.

Three kinds of stages. Losses at final checkpoints scatter about the law with heavy tails, small runs more than large
ones. Scores at many checkpoints of few runs scatter by their questions and from checkpoint to checkpoint, and each run
departs as a whole. Scores with one checkpoint a run have the first kind's tails and the second kind's questions.

The density is there twice: as a NumPyro model generated from the laws' own tables, and the same as a sum over outputs.

The score is measured given the measured loss, so that outputs are independent given their own parameters, and both
stages are one model: a draw of it takes the error of the loss into the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.infer.util import potential_energy

from flpjax.laws.law import POSITIVE, Law, Parameter, Params
from flpjax.methods.emergence import WIDTH, WIDTH_PARAMETER, emerge
from flpjax.methods.method import StageName

Kind = Literal["loss", "runs", "single"]
NOISE = "noise/"
SMALLEST = 1e-9  # of a predicted loss, before its logarithm
LOG_ROOT_PI = 0.5 * float(np.log(np.pi))

_FREEDOM = Parameter(POSITIVE, float(np.log(8.0)), 0.7, "degrees of freedom of Student's t")
_SD = "s.d. of one checkpoint"
_TABLES: dict[Kind, dict[str, Parameter]] = {
    "loss": {
        "sd": Parameter(POSITIVE, float(np.log(0.004)), 1.0, "scale of log losses, at the largest run"),
        "growth": Parameter(POSITIVE, float(np.log(0.03)), 1.0, "growth of that scale per e-fold of FLOPs downwards"),
        "freedom": _FREEDOM,
    },
    "runs": {
        "sd": Parameter(POSITIVE, float(np.log(0.01)), 1.0, f"{_SD} beyond its questions, fraction"),
        "run": Parameter(POSITIVE, float(np.log(0.007)), 1.0, "s.d. of what a run's scores are all off by, fraction"),
        "run_slope": Parameter(POSITIVE, float(np.log(0.007)), 1.0, "the same per s.d. of the loss, fraction"),
    },
    "single": {
        "sd": Parameter(POSITIVE, float(np.log(0.01)), 1.0, "scale of a run's score beyond its questions, fraction"),
        "freedom": _FREEDOM,
    },
}


@dataclass(frozen=True)
class Layer:
    """One stage as a posterior sees it: static configuration, hashable by value.

    Attributes:
        stage: Of what it predicts.
        law: Its formula.
        kind: How its values scatter.
        emerging: Whether scores bend at chance and at 1.
    """

    stage: StageName
    law: Law
    kind: Kind
    emerging: bool = False

    def parameters(self) -> Mapping[str, Parameter]:
        """The law's parameters, the bend's, and those of the noise, as ``noise/…``."""
        bend = {WIDTH: WIDTH_PARAMETER} if self.emerging else {}
        noise = {NOISE + name: parameter for name, parameter in _TABLES[self.kind].items()}
        return {**self.law.parameters(), **bend, **noise}


class Parts(NamedTuple):
    """Which parts of the rows are of which run."""

    of_run: Array  # (output, run, …) the places of its parts; -1 where it has fewer
    run: Array  # (output, part) whose it is


class LayerData(NamedTuple):
    """What a layer was measured to be: numbers only; rows as ``(run, checkpoint)``, padded where a run has fewer.

    Leaves have a leading axis ``output``; :func:`log_likelihood` takes one output.
    """

    x: Any  # the law's input, leaves (output, run, checkpoint, …)
    y: Array  # (output, run, checkpoint) losses or scores; any number in the padding
    mask: Array  # (output, run, checkpoint) 1 where measured, 0 in the padding
    log_flops_below_largest: Array  # (output, run, checkpoint) log FLOPs of the largest run less those of the row
    standardised_loss: Array  # (output, run, checkpoint) the loss from the rows' mean, in their s.d.
    known: Array  # (output, run, checkpoint) variance of a score by its questions, or by its standard error
    chance: Array  # (output,)
    zero: Array  # (output,) of standardised losses, and of scores that are fitted as skills
    unit: Array  # (output,)
    top: Array  # (output,) the place of the largest run's last row among (run · checkpoint)
    parts: Parts | None = None  # where rows are (part, checkpoint of it) in place of (run, checkpoint)


class Scatter(NamedTuple):
    """What rows of one output scatter by about their mean, ``(run, checkpoint)`` each."""

    mean: Array  # of the loss or score
    variance: Array  # of a row on its own; of log losses relative, squared scale of Student's t where tails are heavy
    common: Array  # the run's offset, by one standard deviation of it
    tilt: Array  # the run's slope, by one standard deviation of it


def scatter_of(layer: Layer, params: Params, data: LayerData) -> Scatter:
    """Mean and scatter of every row of ONE output."""
    value = data.zero + data.unit * jax.vmap(jax.vmap(partial(layer.law.apply, params)))(data.x)
    nothing = jnp.zeros_like(value)
    sd = params[NOISE + "sd"]
    if layer.kind == "loss":
        scale = sd * jnp.exp(params[NOISE + "growth"] * data.log_flops_below_largest)
        return Scatter(value, scale**2, nothing, nothing)
    passes = jnp.ones_like(value)  # what is left of a departure where the score bends
    if layer.emerging:
        passes = jax.nn.sigmoid((value - data.chance) / params[WIDTH])
        value = emerge(value, data.chance, params[WIDTH])
    variance = sd**2 + data.known
    if layer.kind == "single":
        return Scatter(value, variance, nothing, nothing)
    tilt = passes * params[NOISE + "run_slope"] * data.standardised_loss
    return Scatter(value, variance, passes * params[NOISE + "run"], tilt)


def log_likelihood(layer: Layer, params: Params, data: LayerData) -> Array:
    """Log density of all rows of ONE output: of log losses, or of scores."""
    found = scatter_of(layer, params, data)
    if layer.kind == "loss":
        residual = jnp.log(jnp.maximum(data.y, SMALLEST)) - jnp.log(jnp.maximum(found.mean, SMALLEST))
    else:
        residual = data.y - found.mean
    if layer.kind == "runs":
        return _by_run(residual, found, data.mask)
    return jnp.sum(jnp.where(data.mask > 0, student(residual, found.variance, params[NOISE + "freedom"]), 0.0))


def student(residual: Array, variance: Array, freedom: Array) -> Array:
    """Log density of Student's t at ``residual``, with its scale squared.

    ``log Γ(x + ½) − log Γ(x)`` by its series for large x, eight steps up: elementary functions, of which the second
    derivatives compile in no time, where those of ``lgamma`` take seconds. Exact to 1e-11.
    """
    half = 0.5 * freedom
    climbed = jnp.prod((half + np.arange(8) + 0.5) / (half + np.arange(8)))
    up = half + 8.0
    square = 1.0 / up**2
    series = (-1.0 / 8.0 + square * (1.0 / 192.0 + square * (-1.0 / 640.0 + square * (17.0 / 14336.0)))) / up
    gammas = 0.5 * jnp.log(up) + series - jnp.log(climbed)
    tail = (half + 0.5) * jnp.log1p(residual**2 / (freedom * variance))
    return gammas - 0.5 * jnp.log(freedom * variance) - LOG_ROOT_PI - tail


def _by_run(residual: Array, found: Scatter, mask: Array) -> Array:
    """Normal, with a covariance of rank two in each run: its offset and its slope, integrated out (Woodbury).

    A run's checkpoints then never say more about the ladder's line than one run can, however many they are.
    """
    precision = mask / found.variance
    common, tilt = found.common, found.tilt

    def over(a: Array, b: Array) -> Array:
        return jnp.sum(precision * a * b, axis=-1)

    one, two, mixed = 1.0 + over(common, common), 1.0 + over(tilt, tilt), over(common, tilt)
    first, second = over(common, residual), over(tilt, residual)
    determinant = one * two - mixed**2
    explained = (two * first**2 - 2.0 * mixed * first * second + one * second**2) / determinant
    rows = jnp.sum(mask * (jnp.log(found.variance) + jnp.log(2.0 * jnp.pi)), axis=-1)
    return -0.5 * jnp.sum(over(residual, residual) - explained + rows + jnp.log(determinant))


def simulate(layer: Layer, params: Params, data: LayerData, key: Array) -> Array:
    """Values ``(run, checkpoint)`` of ONE output as the likelihood has them, at the rows' inputs."""
    found = scatter_of(layer, params, data)
    row, run = jax.random.split(key)
    if layer.kind == "runs":
        each = jax.random.normal(row, found.mean.shape, found.mean.dtype)
        own = jax.random.normal(run, (2, found.mean.shape[0], 1), found.mean.dtype)
        return found.mean + jnp.sqrt(found.variance) * each + found.common * own[0] + found.tilt * own[1]
    heavy = jax.random.t(row, params[NOISE + "freedom"], found.mean.shape, found.mean.dtype)
    residual = jnp.sqrt(found.variance) * heavy
    return found.mean * jnp.exp(residual) if layer.kind == "loss" else found.mean + residual


def measured_variance(layer: Layer, params: Params, data: LayerData, averaged: int) -> Array:
    """What one measured value of ONE output scatters by, as at the largest run: of log losses, or of scores.

    Where tails are heavy it is the squared scale of Student's t.

    Args:
        layer: The stage.
        params: Of one draw.
        data: Of one output.
        averaged: Checkpoints that a final value is the mean of.
    """
    places = data.mask.shape

    def top(leaf: Array) -> Array:
        """The largest run's last row, of leaves that have rows: the others need no law at all."""
        rows = leaf.reshape(-1, *leaf.shape[2:]) if leaf.shape[:2] == places else None
        return leaf if rows is None else rows[data.top][None, None]

    at_top = jax.tree.map(jnp.ravel, scatter_of(layer, params, jax.tree.map(top, data)))
    at_top = jax.tree.map(lambda v: v[0], at_top)
    if layer.kind == "runs":
        return at_top.common**2 + at_top.tilt**2 + at_top.variance / averaged
    return at_top.variance


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
            prior = dist.TransformedDistribution(dist.Normal(loc, scale), parameter.transform)
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
