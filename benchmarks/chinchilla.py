"""The fit of Besiroglu et al. 2024 (arXiv:2404.10102): a robust Chinchilla law of 240 points of Hoffmann et al.'s.

``log L = logsumexp(a − α log N, b − β log D, e)``, summed Huber loss of the difference to ``log L`` with its corner at
10⁻³, the five highest losses left out, from 4,500 starts; then the same under 4,000 bootstrap resamples of the points.
"""

from __future__ import annotations

import csv
from itertools import product
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from flpjax.readers.public import fetch

HUBER = 1e-3
LEFT_OUT = 5
BOOTSTRAPS = 4000

NAMES = ("a", "b", "e", "alpha", "beta")
OBJECTIVE = 0.0010182740  # the lowest known
OPTIMUM = {"A": 477.84, "B": 2143.86, "E": 1.81724, "alpha": 0.34731, "beta": 0.36718}  # there, to the digits known


class Published(NamedTuple):
    """What the paper gives for one constant: table 1 and the bootstrap intervals beside it."""

    value: float
    se: float
    lower: float  # of the 95 % interval
    upper: float


PUBLISHED = {
    "A": Published(482.01, 124.52, 285.0, 744.0),
    "B": Published(2085.43, 1293.28, 1042.0, 5810.0),
    "E": Published(1.81686, 0.02566, 1.769, 1.871),
    "alpha": Published(0.34781, 0.0154, 0.317, 0.373),
    "beta": Published(0.36585, 0.0206, 0.331, 0.415),
}


class Points(NamedTuple):
    """Natural logarithms of parameters, tokens and loss, each ``(240,)``."""

    log_params: NDArray[np.float64]
    log_tokens: NDArray[np.float64]
    log_loss: NDArray[np.float64]


def points() -> Points:
    """The 240 points; tokens are FLOPs / 6N, as the authors take them."""
    with open(fetch("chinchilla") / "data/svg_extracted_data.csv", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: float(row["loss"]))[:-LEFT_OUT]
    columns = ("Model Size", "Training FLOP", "loss")
    params, flops, loss = (np.array([float(row[name]) for row in rows]) for name in columns)
    return Points(np.log(params), np.log(flops / (6.0 * params)), np.log(loss))


def start_grid() -> NDArray[np.float64]:
    """``(4500, 5)`` the authors' starts, in the order of :data:`NAMES`."""
    decay, scale = np.linspace(0.0, 2.0, 5), np.linspace(0.0, 25.0, 6)
    return np.array(list(product(scale, scale, np.linspace(-1.0, 1.0, 5), decay, decay)))


def resamples(count: int, rows: int, seed: int = 0) -> NDArray[np.float64]:
    """``(count, rows)`` how often each bootstrap takes each point."""
    return np.random.default_rng(seed).multinomial(rows, np.full(rows, 1.0 / rows), count).astype(float)


def residual(vector: Array, data: Points) -> Array:
    """Difference of the logarithms, of one point, at ``vector (5,)``."""
    a, b, e, alpha, beta = vector
    size = jnp.exp(a - alpha * jnp.asarray(data.log_params))
    tokens = jnp.exp(b - beta * jnp.asarray(data.log_tokens))
    return jnp.log(jnp.exp(e) + size + tokens) - jnp.asarray(data.log_loss)  # no start comes near an overflow


def constants(vector: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """The law's constants from vectors ``(…, 5)``."""
    a, b, e, alpha, beta = np.moveaxis(np.asarray(vector, dtype=float), -1, 0)
    return {"A": np.exp(a), "B": np.exp(b), "E": np.exp(e), "alpha": alpha, "beta": beta}
