"""Published laws fitted to a task's training rows by the engine, and scored on its test rows."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.laws.tasks import Columns, Task, r_squared
from flpjax.engine.batch import solve
from flpjax.engine.moments import Anchor
from flpjax.engine.settings import Settings
from flpjax.ladder.features import Feature, Features
from flpjax.laws.formula.formula import FormulaLaw
from flpjax.laws.law import Law, pack, prior_normal, space_of, spread_starts, unpack
from flpjax.laws.power_law import Chinchilla
from flpjax.laws.published import HUBER_DELTA, published_law
from flpjax.laws.repeated import Repeated
from flpjax.laws.residual import Residual

STARTS, STEPS = 32, 400
NOISE = 0.005  # that priors are weighed against: what reruns differ by, roughly


def score(task: Task, name: str, train: Columns, test: Columns, starts: int = STARTS) -> float:
    """R² on test rows of a published law, fitted to the training rows with its authors' loss, squares or Huber."""
    y, measured = (np.asarray(part[task.targets[0]], float) for part in (train, test))
    x, ahead = (features_of(task, part) for part in (train, test))
    law = law_of(name, x, y)
    space = space_of(law)
    ones = np.ones((1, len(y)))
    guess = np.asarray(pack(law, jax.jit(law.guess)(x, jnp.asarray(y), jnp.ones(len(y)))))
    begun = spread_starts(law, guess[None], starts, np.random.default_rng(0))
    loc, sd = prior_normal(law)
    anchor = Anchor(jnp.asarray(loc[None]), jnp.asarray((NOISE / sd[None]) ** 2))
    data = (jax.tree.map(lambda v: v[None], x), y[None])
    corner = HUBER_DELTA if isinstance(law, Repeated) else getattr(law, "huber", None)
    residual, settings = Residual(law, space), Settings(steps=STEPS)
    found = solve(residual, data, ones, ones, begun, anchor=anchor, huber=corner, settings=settings)
    params = unpack(law, jnp.asarray(found.vector[0, 0]))
    forecast = np.asarray(jax.jit(jax.vmap(law.apply, (None, 0)))(params, ahead))
    return r_squared(forecast[:, None], measured[:, None])


def features_of(task: Task, columns: Columns) -> Features:
    """The columns of a task as laws see them, leaves ``(row,)``."""
    found = {name: np.log(np.asarray(columns[name], float)) for name in task.features}
    if {"params", "tokens"} <= set(found):
        found["flops"] = np.log(6.0) + found["params"] + found["tokens"]
    return Features(found)


def law_of(name: str, x: Features, y: np.ndarray) -> Law:
    """A law that ships, centred on rows, its priors in the unit of their losses."""
    if name == "chinchilla-repeated":
        return Repeated(Chinchilla()).centred(x)
    law: FormulaLaw = published_law(name)
    return law.suited(tuple(Feature(n) for n in law.inputs()), (), y).centred(x)
