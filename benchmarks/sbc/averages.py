"""The default's own posterior: laws and maps with discrepancies, averaged by their evidence over a grid.

A simulation draws a law by its weight, a point of the grid, the parameters and the weights of the discrepancy, all
from what ``auto`` takes to be known; then a map to scores in the same way. The truth is ranked among forecasts.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from benchmarks.sbc.statistics import DRAWS, Ranks
from flpjax import Auto, Runs
from flpjax.fitting.averaging.average import averaged, drawn
from flpjax.fitting.averaging.distinct import parts_of, renamed
from flpjax.fitting.averaging.hyperpriors import Grid, grid_of, log_weight
from flpjax.fitting.averaging.origins import Origins
from flpjax.fitting.predicted import predict
from flpjax.ladder.build import build_runs
from flpjax.ladder.features import Features
from flpjax.ladder.tasks import Task
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.law import Law, prior_normal, unpack
from flpjax.methods.discrepant import with_discrepancy
from flpjax.methods.method import Prediction, Stage

Floats = NDArray[np.float64]
AVERAGE, DESIGN = "average", "auto"
SIZES, RATIOS = np.geomspace(4e7, 1e9, 6), (10.0, 40.0)
BEYOND = (3.0, 30.0)  # targets: times the largest run's compute, at its tokens per parameter
LOSS, TASK = "val", "task"
MOST_TRIES = 1000


def ranks(simulations: int, seed: int) -> dict[str, Ranks]:
    """Simulate, fit, rank: of the draws, and of the same draws halved about their mean."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Floats]] = {"as it is": [], "halved": []}
    for i in range(simulations):
        runs, truth, noisy = _simulated(rng)
        told, scattered = _told(runs, rng, seed + i)
        for name, share in (("as it is", 1.0), ("halved", 0.5)):
            values = [
                (v.mean(axis=0) + share * (v - v.mean(axis=0)) < t).sum(axis=0)
                for v, t in ((told, truth), (scattered, noisy))
            ]
            found[name].append(np.concatenate(values))
    names = [f"{what} of {o} at {b:g} times" for what in ("value", "measured") for o in (LOSS, TASK) for b in BEYOND]
    return {name: Ranks(dict(zip(names, np.stack(each, axis=1), strict=True))) for name, each in found.items()}


def _told(runs: Runs, rng: np.random.Generator, seed: int) -> tuple[Floats, Floats]:
    """``(draw, quantity)`` log losses at the targets, then scores there; without noise and with."""
    none = np.zeros((1, len(runs.names)))
    whole = Origins(none == 0, none > 0, none, np.log(runs.flops))
    laws, maps, _, _ = parts_of(Auto().members(runs), runs, whole, jax.random.key(seed))
    average = averaged(renamed(laws), renamed(maps), runs, 1)
    model, params, noise = drawn(average, 0, DRAWS, rng)
    scatter = Prediction(*(np.asarray(sd) * rng.standard_normal(np.shape(sd)) for sd in noise))  # type: ignore[arg-type]
    each = [predict(model, params, _targets(runs), given) for given in (None, scatter)]
    without, measured = (
        np.concatenate([np.log(np.asarray(p.loss))[..., 0], np.asarray(p.score)[..., 0]], axis=1) for p in each
    )
    return without, measured


def _simulated(rng: np.random.Generator) -> tuple[Runs, Floats, Floats]:
    """A ladder, and ``(quantity,)`` the truth about its targets without noise and with.

    Ladders with a score outside 0 to 1 are thrown away: what was measured decides that, so the posterior of one that is
    kept is what it would be.
    """
    for _ in range(MOST_TRIES):
        blank = _table(np.full(len(SIZES) * len(RATIOS), 3.0), np.full(len(SIZES) * len(RATIOS), 0.5))
        stage, law, vector, grid, point = _drawn(blank, "loss", rng)
        below = np.log(blank.flops.max() / blank.flops)
        scatter = grid.noise[point] * np.exp(grid.growth[point] * below)
        x = jax.tree.map(lambda v: np.asarray(v)[0], stage.x)
        loss = np.exp(np.log(_applied(law, vector, x)) + scatter * rng.standard_normal(len(below)))
        true_loss = _applied(law, vector, _targets(blank))
        if not (np.isfinite(loss).all() and loss.min() > 0.0):
            continue
        measured_loss = true_loss * np.exp(grid.noise[point] * rng.standard_normal())
        blank = _table(loss, np.full(len(loss), 0.5))
        stage, law, vector, grid, point = _drawn(blank, "score", rng)
        noise = grid.noise[point]
        score = _applied(law, vector, loss) + noise * rng.standard_normal(len(loss))
        if score.min() < 0.0 or score.max() > 1.0:
            continue
        truth = np.concatenate([np.log(true_loss), _applied(law, vector, true_loss)])
        off = noise * rng.standard_normal()
        measured = np.concatenate([np.log(measured_loss), _applied(law, vector, measured_loss) + off])
        return _table(loss, score), truth, measured
    raise AssertionError("no ladder has scores between 0 and 1")


def _drawn(runs: Runs, kind: str, rng: np.random.Generator) -> tuple[Stage, Law, Floats, Grid, int]:
    """A law or a map with its discrepancy, its vector, the grid and the point of it, all from what is known."""
    stages: dict[str, Stage] = {}
    for name, method in Auto().members(runs).items():
        for stage in with_discrepancy(method.bind(runs)).stages:
            if stage.name == kind:
                stages.setdefault(name.partition("+")[0 if kind == "loss" else 2], stage)
    weight = np.exp([log_weight(name) for name in stages])
    stage = list(stages.values())[rng.choice(len(stages), p=weight / weight.sum())]
    law = stage.law
    assert isinstance(law, Discrepancy)
    grid = grid_of(stage.residual.space, law.cells > 0)
    point = int(rng.choice(len(grid.noise), p=np.exp(grid.log_prior)))
    loc, scale = prior_normal(law.law)
    theta = loc + scale * rng.standard_normal(len(loc))
    return stage, law, np.r_[theta, np.log(grid.amplitude[point]), rng.standard_normal(law.cells)], grid, point


def _applied(law: Law, vector: Floats, x: Any) -> Floats:
    """A law at rows ``x``, leaves ``(row,)``."""
    params = unpack(law, jnp.asarray(vector))
    return np.asarray(jax.vmap(lambda row: law.apply(params, row))(x))


def _targets(runs: Runs) -> Features:
    top = int(runs.flops.argmax())
    steps = np.log(BEYOND)
    log_params, log_tokens = (np.log(v[top]) + 0.5 * steps for v in (runs.params, runs.tokens))
    return Features.of_logs(log_params, log_tokens, np.log(runs.flops[top]) + steps)


def _table(loss: Floats, score: Floats) -> Runs:
    params, ratio = (v.ravel() for v in np.meshgrid(SIZES, RATIOS, indexing="ij"))
    columns = {
        "run": np.array([f"r{i}" for i in range(len(params))], object),
        "params": params,
        "tokens": params * ratio,
        f"loss/{LOSS}": loss,
        f"score/{TASK}": score,
    }
    return build_runs(columns, tasks={TASK: Task(TASK, 0.0)}, source="simulated")
