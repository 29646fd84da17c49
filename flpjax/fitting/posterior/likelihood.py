"""What a measurement departs from the law by: the likelihood of one output, with its runs' own effects marginalised.

Three kinds of stages. Losses at final checkpoints scatter about the law with heavy tails, small runs more than large
ones. Scores at many checkpoints of few runs scatter by their questions and from checkpoint to checkpoint, and each run
departs as a whole. Scores with one checkpoint a run have the first kind's tails and the second kind's questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.laws.law import POSITIVE, Law, Parameter, Params
from flpjax.methods.emerging import WIDTH, WIDTH_PARAMETER, emerge

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
        stage: ``"loss"`` or ``"score"``.
        law: Its formula.
        kind: How its values scatter.
        emerging: Whether scores bend at chance and at 1.
    """

    stage: str
    law: Law
    kind: Kind
    emerging: bool = False

    def parameters(self) -> Mapping[str, Parameter]:
        """The law's parameters, the bend's, and those of the noise, as ``noise/…``."""
        bend = {WIDTH: WIDTH_PARAMETER} if self.emerging else {}
        noise = {NOISE + name: parameter for name, parameter in _TABLES[self.kind].items()}
        return {**self.law.parameters(), **bend, **noise}


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
    """Log density of Student's t at ``off``, with its scale squared.

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
    at_top = jax.tree.map(lambda v: jnp.ravel(v)[data.top], scatter_of(layer, params, data))
    if layer.kind == "runs":
        return at_top.common**2 + at_top.tilt**2 + at_top.variance / averaged
    return at_top.variance
