"""How fast other solvers do the fit of :mod:`benchmarks.chinchilla`: each its fair best, on a sample of the starts."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from benchmarks.chinchilla import HUBER, OBJECTIVE, OPTIMUM, Points, residual, start_grid
from benchmarks.engine.by_scipy import GRADIENT, Plain, Vector, objective
from flpjax.errors import InputError, did_you_mean
from flpjax.numerics import require_x64

Solve = Callable[[Array], Array]  # one start (5,) in, where it ended (5,) out

STARTS = 4500
SEED = 0
AGREE = 1e-6  # relative
SAMPLE = {"scipy": 200, "optax_lbfgs_vmap": 64, "optimistix_bfgs": 128, "optimistix_lm": 128}

# With a BLAS that may start threads, L-BFGS-B took 250 ms a fit in place of 7 while both cores were busy.
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Peer(NamedTuple):
    """What one solver did."""

    name: str
    fits: int  # starts solved, a random sample of the 4,500
    compile_s: float  # first call less the second
    seconds: float  # wall time of those fits, after compilation
    per_fit_us: float
    extrapolated_s: float  # to 4,500 starts
    objective: float  # the best that the sample reached
    starts_agree: float  # share of the sample no more than 1e-6, relative, above the lowest objective known
    note: str  # what was done, and what the solver could not do


def square_root(vector: Array, data: Points) -> Array:
    """``sign(r) √(2ρ(r))``, ``(row,)``: half its sum of squares is the summed Huber loss, the same minimum.

    It is smooth at 0, where it is r itself. The size is held at the corner or above, so that the branch not taken has
    no root of a negative number, whose gradient would be NaN.
    """
    gap = residual(vector, data)
    size = jnp.maximum(jnp.abs(gap), HUBER)
    return jnp.where(jnp.abs(gap) <= HUBER, gap, jnp.sign(gap) * jnp.sqrt(HUBER * (2.0 * size - HUBER)))


def scipy_lbfgsb(data: Points, starts: Vector) -> Peer:
    """``scipy.optimize.minimize(method="L-BFGS-B")`` with exact gradients, one start after the other, on one core.

    In a process of its own: a BLAS takes its number of threads when it is loaded. Starting it is not timed.
    """
    require_x64("scipy_lbfgsb")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.engine.by_scipy"],
        input=pickle.dumps((tuple(data), starts)),
        env=os.environ | ONE_THREAD | {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"scipy's process failed: {done.stderr.decode()[-2000:]}")
    ends, compile_s, seconds, note = pickle.loads(done.stdout)
    return _peer("scipy", data, ends, compile_s, seconds, note)


def optax_lbfgs_vmap(data: Points, starts: Vector, max_steps: int = 500) -> Peer:
    """``optax.lbfgs`` with its zoom line search; in a batch each start waits for the slowest, line search included."""
    require_x64("optax_lbfgs_vmap")

    def loss(vector: Array) -> Array:
        return objective(vector, data)

    # With 20 trials a step, optax's default, a batch takes 1.7 times as long and as many starts agree.
    rule = optax.lbfgs(linesearch=optax.scale_by_zoom_linesearch(max_linesearch_steps=10, initial_guess_strategy="one"))
    value_and_grad = optax.value_and_grad_from_state(loss)  # the line search has both at hand already

    def unfinished(carry: tuple[Array, Any, Array, Array]) -> Array:
        _, _, gradient, step = carry
        return (step < max_steps) & (jnp.max(jnp.abs(gradient)) > GRADIENT)

    def advance(carry: tuple[Array, Any, Array, Array]) -> tuple[Array, Any, Array, Array]:
        vector, state, _, step = carry
        value, gradient = value_and_grad(vector, state=state)
        update, state = rule.update(gradient, state, vector, value=value, grad=gradient, value_fn=loss)
        return optax.apply_updates(vector, update), state, optax.tree.get(state, "grad"), step + 1

    def solve(start: Array) -> Array:
        first = (start, rule.init(start), jax.grad(loss)(start), jnp.zeros((), int))
        return lax.while_loop(unfinished, advance, first)[0]

    note = f"optax.lbfgs, memory 10, zoom line search of at most 10 trials, gradient to {GRADIENT:g}, {max_steps} steps"
    together = _timed(solve, starts, one_by_one=False)
    if jax.default_backend() != "cpu":
        return _peer("optax_lbfgs_vmap", data, *together, f"{note}; all starts in one vmap")
    apart = _timed(solve, starts, one_by_one=True)
    each = [1e3 * timed.seconds / len(starts) for timed in (together, apart)]
    note += f"; in one vmap {each[0]:.3g} ms a fit, one after the other in lax.map {each[1]:.3g} ms: the faster counts"
    return _peer("optax_lbfgs_vmap", data, *min(together, apart, key=lambda timed: timed.seconds), note)


def optimistix_bfgs(data: Points, starts: Vector, max_steps: int = 512) -> Peer:
    """``optimistix.minimise(BFGS)`` of the objective divided by its gradient's norm at the start.

    The first step is then of unit length, as scipy's is. Without, it is the gradient, which throws more starts to where
    a term of the law has vanished and nothing pulls it back: of 128 starts 21 % agree in place of 48 %.
    """
    require_x64("optimistix_bfgs")
    optx = _optimistix()
    solver = optx.BFGS(rtol=1e-8, atol=1e-8)

    def solve(start: Array) -> Array:
        scale = 1.0 / jnp.linalg.norm(jax.grad(objective)(start, data))
        scaled = lambda vector, scale: scale * objective(vector, data)  # noqa: E731
        return optx.minimise(scaled, solver, start, args=scale, max_steps=max_steps, throw=False).value

    timed, how = _fair(solve, starts)
    note = f"optimistix.BFGS, rtol = atol = 1e-8, {max_steps} steps, first step scaled to unit length; {how}"
    return _peer("optimistix_bfgs", data, *timed, note)


def optimistix_lm(data: Points, starts: Vector, max_steps: int = 1000) -> Peer:
    """``optimistix.least_squares(LevenbergMarquardt)`` on :func:`square_root`."""
    require_x64("optimistix_lm")
    optx = _optimistix()
    lineax = import_module("lineax")  # optimistix needs it
    # As fast as QR, the default, on a CPU; 5 × 5 in place of 240 × 5 is what a GPU can batch.
    solver = optx.LevenbergMarquardt(rtol=1e-8, atol=1e-8, linear_solver=lineax.Normal(lineax.Cholesky()))

    def solve(start: Array) -> Array:
        return optx.least_squares(square_root, solver, start, args=data, max_steps=max_steps, throw=False).value

    timed, how = _fair(solve, starts)
    note = (
        "optimistix.LevenbergMarquardt, rtol = atol = 1e-8, normal equations by Cholesky, "
        f"{max_steps} steps, on sign(r) √(2ρ(r)); {how}"
    )
    return _peer("optimistix_lm", data, *timed, note)


PEERS: dict[str, Callable[[Points, Vector], Peer]] = {
    "scipy": scipy_lbfgsb,
    "optax_lbfgs_vmap": optax_lbfgs_vmap,
    "optimistix_bfgs": optimistix_bfgs,
    "optimistix_lm": optimistix_lm,
}


def measure(names: Sequence[str], points: Points, sample: Mapping[str, int] | int | None = None) -> list[Peer]:
    """Time solvers on a sample of the 4,500 starts; a smaller sample is part of a larger one.

    Args:
        names: Of :data:`PEERS`.
        points: What is fitted.
        sample: How many starts, for all or by name; :data:`SAMPLE` where none is given.

    Raises:
        InputError: A name is not known, a sample is empty or above 4,500, or optimistix is missing.
        PrecisionError: JAX's ``jax_enable_x64`` is off.
    """
    order = np.random.default_rng(SEED).permutation(STARTS)
    sizes = {**SAMPLE, **(dict.fromkeys(names, sample) if isinstance(sample, int) else sample or {})}
    for name in names:
        if name not in PEERS:
            raise InputError(f"no peer '{name}'", where="measure", remedy=did_you_mean(name, PEERS))
        if not 0 < sizes[name] <= STARTS:
            raise InputError(f"a sample of {sizes[name]}", where=name, remedy=f"Ask for 1 to {STARTS:,} starts")
    return [PEERS[name](points, start_grid()[order[: sizes[name]]]) for name in names]


class _Timed(NamedTuple):
    ends: Vector  # (start, 5)
    compile_s: float
    seconds: float


def _timed(solve: Solve, starts: Vector, one_by_one: bool) -> _Timed:
    """Compile and warm up on starts at the optimum, which cost little; then time those that count."""
    batched = jax.jit((lambda batch: lax.map(solve, batch)) if one_by_one else jax.vmap(solve))
    easy = np.tile([np.log(OPTIMUM[name]) for name in "ABE"] + [OPTIMUM["alpha"], OPTIMUM["beta"]], (len(starts), 1))
    first, second = (_clock(batched, jnp.asarray(easy))[1] for _ in range(2))
    ends, seconds = _clock(batched, jnp.asarray(starts))
    return _Timed(np.asarray(ends), max(first - second, 0.0), seconds)


def _fair(solve: Solve, starts: Vector) -> tuple[_Timed, str]:
    """The layout that was the faster one when both were tried, and its name.

    A CPU gains little from a batch, and one after the other no start waits for a slower one: on two cores, 64 starts of
    BFGS took at least 3 times as long in one vmap, of Levenberg-Marquardt at least 1.5 times.
    """
    one_by_one = jax.default_backend() == "cpu"
    how = "one start after the other in lax.map (faster here than one vmap)" if one_by_one else "all starts in one vmap"
    return _timed(solve, starts, one_by_one), how


def _clock(function: Callable[[Array], Array], batch: Array) -> tuple[Array, float]:
    start = time.perf_counter()
    result = jax.block_until_ready(function(batch))
    return result, time.perf_counter() - start


def _peer(name: str, data: Points, ends: Vector, compile_s: float, seconds: float, note: str) -> Peer:
    """Judge where the starts ended, all peers by the same function."""
    plain = Plain(data)
    with np.errstate(all="ignore"):  # a solver may have ended anywhere, NaN included
        values = np.array([plain(end)[0] for end in ends])
    best = float(np.nanmin(values)) if np.isfinite(values).any() else float("nan")
    reached = values <= OBJECTIVE * (1.0 + AGREE)
    agree = float(np.mean(reached))
    if agree < 1.0:
        median = np.median(np.nan_to_num(values[~reached] / OBJECTIVE, nan=np.inf))
        note += f"; {1.0 - agree:.0%} of the starts ended elsewhere, at a median of {median:.3g} × the lowest"
    each = seconds / len(ends)
    return Peer(name, len(ends), compile_s, seconds, 1e6 * each, each * STARTS, best, agree, f"sample; {note}")


def _optimistix() -> Any:
    try:
        return import_module("optimistix")
    except ImportError as error:
        raise InputError("optimistix is not installed", where="peers", remedy="pip install 'flpjax[bench]'") from error
