"""The complete protocol of Besiroglu et al. by our own engine."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from benchmarks.chinchilla import (
    BOOTSTRAPS,
    HUBER,
    PUBLISHED,
    Points,
    constants,
    points,
    resamples,
    residual,
    start_grid,
)
from flpjax.engine.batch import Solution, solve
from flpjax.engine.settings import Settings, Status
from flpjax.ladder.features import Features
from flpjax.laws.law import pack, unpack
from flpjax.laws.power_law import Chinchilla
from flpjax.laws.residual import Residual

PROMISING = Settings(follow="promising")
SINGLE = Settings(precision="float32")


class Timed(NamedTuple):
    """A solution, how long it took, and how long its first run took more: tracing and compiling."""

    solution: Solution
    seconds: float
    compile_s: float


class Protocol(NamedTuple):
    """All starts on the data, all bootstraps from the optimum, all starts for bootstraps."""

    data: Points
    all_starts: Timed  # every start followed to its end
    promising: Timed  # the promising ones
    bootstrap: Timed  # from the optimum
    complete: Timed  # every bootstrap from every start, promising ones followed
    single: Timed  # the bootstrap in float32
    centred: tuple[Timed, Timed]  # the bootstrap of our own parameters, in float64 and in float32


def fit(
    starts: NDArray[np.float64],
    counts: NDArray[np.float64],
    settings: Settings | None = None,
    runs: int = 3,
    data: Points | None = None,
) -> Timed:
    """Fit resamples ``counts (draw, row)`` from ``starts (start, 5)``; the fastest of so many runs after the first."""
    chosen = points() if data is None else data
    one = np.ones((1, len(chosen.log_loss)))

    def once() -> tuple[Solution, float]:
        start = time.perf_counter()
        batch = jax.tree.map(lambda leaf: leaf[None], chosen)
        found = solve(residual, batch, one, counts, starts[None], huber=HUBER, settings=settings)
        return found, time.perf_counter() - start

    solution, first = once()
    seconds = min(once()[1] for _ in range(runs))
    return Timed(solution, seconds, first - seconds)


def protocol(complete: int) -> Protocol:
    """Run it all; ``complete`` bootstraps from every start."""
    data, grid = points(), start_grid()
    rows = len(data.log_loss)
    counts, whole = resamples(BOOTSTRAPS, rows), np.ones((1, rows))
    everything = fit(grid, whole)
    optimum = everything.solution.vector[0]
    return Protocol(
        data,
        everything,
        fit(grid, whole, PROMISING),
        fit(optimum, counts),
        fit(grid, counts[:complete], PROMISING, runs=1),
        fit(optimum, counts, SINGLE),
        (_centred(optimum[0], counts, Settings()), _centred(optimum[0], counts, SINGLE)),
    )


def _form(data: Points) -> Chinchilla:
    """The same law in parameters that the data identify."""
    return Chinchilla().centred(Features.of_logs(data.log_params, data.log_tokens, data.log_params + data.log_tokens))


def _centred(optimum: NDArray[np.float64], counts: NDArray[np.float64], settings: Settings) -> Timed:
    """The bootstrap by the package's law; it starts from the same law."""
    data = points()
    law = _form(data)
    x = Features.of_logs(data.log_params, data.log_tokens, data.log_params + data.log_tokens)
    batch = jax.tree.map(lambda leaf: leaf[None], (x, np.exp(data.log_loss)))
    start = np.asarray(pack(law, law.from_constants(**jax.tree.map(jnp.asarray, constants(optimum)))))
    one, residual_ = np.ones((1, len(data.log_loss))), Residual(law, "log", HUBER)
    solution, taken = None, []
    for _ in range(3):
        begun = time.perf_counter()
        solution = solve(residual_, batch, one, counts, start[None, None], huber=HUBER, settings=settings)
        taken.append(time.perf_counter() - begun)
    assert solution is not None
    return Timed(solution, min(taken[1:]), taken[0] - min(taken[1:]))


def figures(done: Protocol) -> dict[str, Any]:
    """What the JSON holds of it."""
    best, drawn = done.all_starts.solution, constants(done.bootstrap.solution.vector[:, 0])
    warm = done.bootstrap.solution.value[: len(done.complete.solution.value)]
    fits = len(warm) * len(start_grid())
    double = done.bootstrap.solution
    return {
        "objective": float(best.value[0, 0]),
        "gradient": float(best.gradient[0, 0]),
        "optimum": {name: float(value) for name, value in constants(best.vector[0, 0]).items()},
        "starts": len(start_grid()),
        "starts_agree": float(best.agree[0, 0]),
        "total_s": done.all_starts.seconds,
        "compile_s": done.all_starts.compile_s,
        "promising": {
            "total_s": done.promising.seconds,
            "objective": float(done.promising.solution.value[0, 0]),
            "starts_agree": float(done.promising.solution.agree[0, 0]),
        },
        "bootstrap": {
            "draws": len(double.value),
            "total_s": done.bootstrap.seconds,
            "per_fit_us": 1e6 * done.bootstrap.seconds / len(double.value),
            "steps": float(double.starts.steps.mean()),
            "converged": float(np.mean(double.status == Status.CONVERGED)),
            **{name: _interval(drawn[name]) for name in PUBLISHED},
        },
        "complete": {
            "fits": fits,
            "seconds": done.complete.seconds,
            "per_fit_us": 1e6 * done.complete.seconds / fits,
            "extrapolated_s": done.complete.seconds / fits * len(start_grid()) * BOOTSTRAPS,
            "below_warm_start": float(np.mean(done.complete.solution.value < warm * (1.0 - 1e-6))),
            "above_warm_start": float(np.mean(done.complete.solution.value > warm * (1.0 + 1e-6))),
        },
        "float32": {
            "total_s": done.single.seconds,
            **_loss_of_precision(drawn, constants(done.single.solution.vector[:, 0])),
        },
        "float32_centred": {
            "total_s": done.centred[1].seconds,
            "float64_s": done.centred[0].seconds,
            **_loss_of_precision(*(_constants_of(done.data, timed.solution) for timed in done.centred)),
        },
        "vectors": double.vector[:100, 0].tolist(),
    }


def _interval(drawn: NDArray[np.float64]) -> dict[str, float]:
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    return {"se": float(np.std(drawn, ddof=1)), "lower": float(lower), "upper": float(upper)}


def _constants_of(data: Points, solution: Solution) -> dict[str, NDArray[np.float64]]:
    law = _form(data)
    vectors = jnp.asarray(solution.vector[:, 0], float)
    return jax.tree.map(np.asarray, jax.vmap(lambda v: law.constants(unpack(law, v)))(vectors))


def _loss_of_precision(
    exact: dict[str, NDArray[np.float64]], found: dict[str, NDArray[np.float64]]
) -> dict[str, dict[str, float]]:
    """Of 99 % of draws: digits that agree, and the error in standard errors."""
    errors = {name: np.quantile(np.abs(found[name] - exact[name]), 0.99) for name in PUBLISHED}
    return {
        "digits": {name: float(-np.log10(e / np.median(np.abs(exact[name])))) for name, e in errors.items()},
        "errors_in_se": {name: float(e / np.std(exact[name])) for name, e in errors.items()},
    }
