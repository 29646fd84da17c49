"""Batches of small robust fits whose truth is known, for the tests of the solver."""

import jax
import jax.numpy as jnp
import numpy as np

from flpjax.ladder.features import Features
from flpjax.laws.law import pack, spread_starts
from flpjax.laws.loss_score import Exponential, Sigmoid
from flpjax.laws.power_law import Chinchilla, PowerLaw, PowerLawE

PROBLEMS, ROWS = 3, 29
FORMS = {
    "PowerLaw": (PowerLaw(46.0), {"log_level": 1.1, "exponent": -0.06}, "log"),
    "PowerLawE": (PowerLawE(46.0), {"log_level": 1.1, "share": 0.5, "decay": 0.2}, "log"),
    "Chinchilla": (
        Chinchilla(19.8, 24.2),
        {"log_level": 1.1, "share": 0.6, "size_share": 0.4, "alpha": 0.34, "beta": 0.28},
        "log",
    ),
    "Sigmoid": (Sigmoid(), {"lower": 0.26, "reach": 0.8, "slope": 5.0, "middle": 0.1}, "linear"),
    "Exponential": (Exponential(), {"floor": 0.25, "log_gain": -1.6, "gamma": 1.8}, "linear"),
}


def robust_problems(law, truth, space, rng):
    """``PROBLEMS`` random tables with a fifth of the rows far off."""
    if isinstance(law, Sigmoid | Exponential):
        x = rng.uniform(1.8, 3.4, (PROBLEMS, ROWS))
    else:
        n, d = rng.uniform(17.5, 22.0, (PROBLEMS, ROWS)), rng.uniform(21.5, 26.5, (PROBLEMS, ROWS))
        x = Features.of_logs(n, d, np.log(6.0) + n + d)
    x = jax.tree.map(jnp.asarray, x)
    curve = jax.jit(jax.vmap(jax.vmap(law.apply, (None, 0)), (None, 0)))(truth, x)
    far = np.where(rng.random((PROBLEMS, ROWS)) < 0.2, 10.0, 1.0)
    noise = 0.005 * far * rng.standard_normal((PROBLEMS, ROWS))
    return x, (curve * jnp.exp(noise) if space == "log" else curve + noise)


def starts_around(law, truth, count, rng):
    """``(problem, start, p)``, none of them at the truth."""
    guess = np.stack([pack(law, jax.tree.map(jnp.asarray, truth))] * PROBLEMS)
    return spread_starts(law, guess + 0.2 * rng.normal(size=guess.shape), count, rng)
