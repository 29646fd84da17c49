"""The floor under every test: float64, no silent rank promotion, and public ladders where they are."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import hypothesis
import jax
import jaxlib.version
import numpy as np
import pytest

from flpjax.engine import lanes, many_chains, recipe
from flpjax.fitting.averaging.auto import auto
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.draws import Draws
from flpjax.fitting.point import point
from flpjax.fitting.posterior import importance, nuts
from flpjax.ladder.build import build_runs
from flpjax.ladder.simulate import LADDER, Simulated, simulate_ladder
from flpjax.ladder.table import Runs
from flpjax.ladder.tasks import Task
from flpjax.methods.flp import FLP
from flpjax.methods.registry import Auto

# Compiling takes most of the time, so tests, and processes that they start, compile without optimising: half the time.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
jax.config.update("jax_disable_most_optimizations", True)
# XLA's older emitters of loops need a third of the newer ones' time, and a program in one piece less than in several,
# which LLVM would compile side by side.
QUICKLY = "--xla_cpu_parallel_codegen_split_count=1"
if jaxlib.version.__version_info__ < (0, 11):  # later ones have no older emitters, and a flag they don't know ends them
    QUICKLY += " --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICKLY}"
# NumPy's matrices are small here, and its idle threads would take an eighth of the suite's processor time from the
# other workers. They read this as they start, after this file is read.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# Tracing makes many objects and little garbage.
gc.set_threshold(200_000, 50, 200)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")

# What runs for longer than it compiles is optimised all the same: networks and chains.
OPTIMISED = {"xla_backend_optimization_level": 2, "xla_llvm_disable_expensive_passes": False}
ON_CPU = jax.default_backend() == "cpu"  # elsewhere networks are parts of larger programs, which can't have options
for module, name in ((recipe, "_train_tile"), (nuts, "_chains")) if ON_CPU else ():
    program = getattr(module, name).__wrapped__
    setattr(module, name, jax.jit(program, static_argnums=(0, 1), compiler_options=OPTIMISED))
for program in (importance.de_mcmc, importance._block, many_chains.window_of):
    program._options.update(OPTIMISED)


@pytest.fixture(scope="module")
def optimised_solver() -> Iterator[None]:
    """The solver's programs, too, where many rows make them run for long."""
    with pytest.MonkeyPatch.context() as patch:
        for program in (lanes.advance, lanes.scout):
            for name, value in OPTIMISED.items():
                patch.setitem(program._options, name, value)
            vars(program).pop("_program", None)  # made anew by its options
        yield
    for program in (lanes.advance, lanes.scout):
        vars(program).pop("_program", None)


# The same examples every time, so that a red suite is red for everybody; HYPOTHESIS_PROFILE=explore looks for new ones.
hypothesis.settings.register_profile("repeat", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=5000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


LONGEST = (
    "test_clients", "test_posterior", "test_cases", "test_forms", "test_paper", "test_mixtures", "test_ladder",
    "test_notebooks", "test_devices", "test_compare", "test_auto", "test_nist", "test_mixture", "test_discovery",
    "test_speeding", "test_coverage", "test_cli", "test_speedup", "test_ascent", "test_reported",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for public ladders is marked so, and CI runs it beside them.

    A file is one worker's (``--dist loadfile``), since its tests share fits. The longest come first: in the end no
    worker waits for another.
    """
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
    for item in items:
        if "public_data" in getattr(item, "fixturenames", ()):
            item.add_marker("public")


def pytest_collection_finish() -> None:
    """What is imported and collected stays until the end: no later collection looks at it."""
    gc.collect()
    gc.freeze()


MAPS = Path("/proc/self/maps")
MOST_MAPS = 40_000  # of the 65,530 parts of memory that Linux lets a process map; a compiled program takes several


@pytest.fixture(autouse=True, scope="module")
def _room_for_programs() -> Iterator[None]:
    """Forget compiled programs before there are too many: a process that runs the whole suite would crash."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public ladders, or a skip that says what to do."""
    folder = os.environ.get("FLPJAX_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("public ladders are absent: set FLPJAX_DATA to a folder that holds them")
    return Path(folder).resolve()


# One ladder with noise and one without, and their fits, made once a session: compiling takes most of the time.

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
def booted(noisy: Simulated, key: jax.Array) -> Draws:
    return bootstrap(FLP(), noisy.runs, key, draws=DRAWS)


@pytest.fixture(scope="session")
def sound(booted: Draws) -> Draws:
    """The same, with the mean of the other draws in place of each that failed: every output keeps its interval."""

    def filled(values: jax.Array) -> jax.Array:
        return jax.numpy.where(jax.numpy.isnan(values), jax.numpy.nanmean(values, axis=0, keepdims=True), values)

    return replace(booted, params=jax.tree.map(filled, booted.params))


FEW = Auto(("power+sigmoid", "chinchilla-tied+sigmoid", "fp-gpt4", "flat"))
"""Methods enough to be weighed, and few programs to compile."""


@pytest.fixture(scope="session")
def blended(noisy: Simulated, key: jax.Array) -> Draws:
    return auto(noisy.runs, key, draws=101, methods=FEW)


@pytest.fixture
def table() -> Callable[..., Runs]:
    """A table by hand from losses and scores ``(run, checkpoint)``; each run is twice as large as the one before."""

    def make(
        losses: dict[str, np.ndarray], scores: dict[str, np.ndarray], tasks: tuple[Task, ...] = (), **columns: object
    ) -> Runs:
        n_runs, steps = np.shape(next(iter([*losses.values(), *scores.values()])))
        params = 1e7 * 2.0 ** np.arange(n_runs)
        base = {
            "run": np.repeat([f"r{i}" for i in range(n_runs)], steps).astype(object),
            "params": np.repeat(params, steps),
            "tokens": (20 * params[:, None] ** 1.1 * np.arange(1, steps + 1) / steps).ravel(),
            **{f"loss/{d}": np.ravel(v) for d, v in losses.items()},
            **{f"score/{t}": np.ravel(v) for t, v in scores.items()},
            **{name: np.ravel(np.asarray(v)) for name, v in columns.items()},
        }
        return build_runs(base, tasks={t.name: t for t in tasks}, source="by hand")

    return make
