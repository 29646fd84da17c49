"""The fit of :mod:`benchmarks.chinchilla` by scipy: a program of its own, with one thread for its BLAS.

Reads pickled points and starts on stdin, writes the ends on stdout.
"""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.chinchilla import HUBER, Points, residual
from flpjax.engine.moments import rho

Vector = NDArray[np.float64]

# A start is done when no element of the gradient is larger. The least curvature at the optimum is 1e-4: the objective
# is then within 1e-11 of its lowest, which is 1e-3.
GRADIENT = 1e-8


class Plain:
    """Objective and gradient in NumPy, written out: no dispatch of JAX's in scipy's inner loop."""

    def __init__(self, data: Points) -> None:
        rows = len(data.log_loss)
        one, zero = np.ones(rows), np.zeros(rows)
        size = (one, zero, zero, -np.asarray(data.log_params), zero)
        tokens = (zero, one, zero, zero, -np.asarray(data.log_tokens))
        floor = (zero, zero, one, zero, zero)
        self.design = np.concatenate([np.stack(term, axis=1) for term in (size, tokens, floor)])
        self.transposed = np.ascontiguousarray(self.design.T)
        self.log_loss = np.asarray(data.log_loss)

    def __call__(self, vector: Vector) -> tuple[float, Vector]:
        """The summed Huber loss at ``vector (5,)``, and its gradient ``(5,)``."""
        terms = self.design.dot(vector).reshape(3, -1)
        top = np.maximum.reduce(terms)
        terms -= top
        np.exp(terms, terms)
        total = np.add.reduce(terms)
        gap = np.log(total)
        gap += top
        gap -= self.log_loss
        clipped = np.minimum(np.maximum(gap, -HUBER), HUBER)  # rho'(gap)
        terms *= clipped / total
        gap -= 0.5 * clipped
        return float(clipped.dot(gap)), self.transposed.dot(terms.reshape(-1))


def objective(vector: Array, data: Points) -> Array:
    """The summed Huber loss, which the solvers in JAX minimise."""
    return jnp.sum(rho(residual(vector, data), HUBER))


def fits(data: Points, starts: Vector) -> tuple[Vector, float, float, str]:
    """Ends ``(start, 5)``, compile time, wall time, note; with the faster of two ways to the gradient."""
    plain, compiled = Plain(data), jax.jit(jax.value_and_grad(lambda vector: objective(vector, data)))

    def dispatched(vector: Vector) -> tuple[float, Vector]:
        value, gradient = compiled(vector)
        return float(value), np.asarray(gradient)

    first, each_jax = _evaluations(dispatched, starts[:1])[0], min(_evaluations(dispatched, starts))
    each_plain = min(_evaluations(plain, starts))
    function, compile_s = (plain, 0.0) if each_plain < each_jax else (dispatched, first - each_jax)
    # scipy takes the change of the objective relative to max(f, 1), and f is 1e-3 here: the gradient decides alone.
    options = {"ftol": 0.0, "gtol": GRADIENT, "maxiter": 15_000, "maxfun": 15_000}
    start = time.perf_counter()
    ends = [minimize(function, x, jac=True, method="L-BFGS-B", options=options).x for x in starts]
    seconds = time.perf_counter() - start
    note = (
        f"L-BFGS-B, memory 10, ftol 0, gtol {GRADIENT:g}, maxiter 15,000; one core, BLAS with one thread; value and "
        f"gradient by {'NumPy' if function is plain else 'jax.jit'} (NumPy {1e6 * each_plain:.0f} µs, jax.jit "
        f"{1e6 * each_jax:.0f} µs)"
    )
    return np.array(ends), compile_s, seconds, note


def _evaluations(function: Callable[[Vector], tuple[float, Vector]], starts: Vector, repeats: int = 100) -> list[float]:
    """Seconds of each of some evaluations, the first of which may compile."""
    taken = []
    for index in range(repeats):
        start = time.perf_counter()
        function(starts[index % len(starts)])
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    """Fit what comes in."""
    data, starts = pickle.load(sys.stdin.buffer)
    with np.errstate(all="ignore"):  # a line search may look where the law overflows
        sys.stdout.buffer.write(pickle.dumps(fits(Points(*data), starts)))


if __name__ == "__main__":
    main()
