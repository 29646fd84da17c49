"""One ladder with noise and one without, and their fits, made once a session: compiling takes most of the time."""

from dataclasses import replace

import jax
import pytest

from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.draws import Draws
from flpjax.fitting.point import point
from flpjax.predictors.flp import FLP
from flpjax.runs.simulate import LADDER, Simulated, simulate_ladder

TASKS = ("bbh", "hellaswag", "triviaqa")
DRAWS = 7


def prime_ladder(noise: float) -> Simulated:
    """11 runs to fit and 2 held out, 13 checkpoints, 5 domains, 3 tasks: a swapped axis fails."""
    simulated = simulate_ladder(3, noise=noise, checkpoints=13, sizes=[s for s in LADDER if s not in ("43M",)])
    runs = simulated.runs
    pick = [runs.task_names.index(t) for t in TASKS]
    facts = tuple(runs.tasks[i] for i in pick)
    return replace(simulated, runs=replace(runs, tasks=facts, score=runs.score[:, pick], stderr=runs.stderr[:, pick]))


@pytest.fixture(scope="session")
def key() -> jax.Array:
    return jax.random.key(17)


@pytest.fixture(scope="session")
def noisy() -> Simulated:
    return prime_ladder(1.0)


@pytest.fixture(scope="session")
def exact() -> Simulated:
    return prime_ladder(0.0)


@pytest.fixture(scope="session")
def staged(noisy: Simulated, key: jax.Array) -> Draws:
    return point(FLP(), noisy.runs, key)


@pytest.fixture(scope="session")
def joint(noisy: Simulated, key: jax.Array) -> Draws:
    return point(FLP(), noisy.runs, key, joint=True)


@pytest.fixture(scope="session")
def booted(noisy: Simulated, key: jax.Array) -> Draws:
    return bootstrap(FLP(), noisy.runs, key, draws=DRAWS)
