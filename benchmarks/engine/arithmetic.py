"""What a fit costs in operations and bytes, what the device can do, and the share of it that is reached."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks.chinchilla import HUBER, points, resamples, residual
from benchmarks.engine.wide import SPREAD
from flpjax.engine.lanes import REORDER
from flpjax.engine.moments import Corners, moments

CHAIN = 64  # operations a number, so that arithmetic and not memory is timed
ABREAST = 4  # chains that don't wait for one another


def arithmetic(optimum: np.ndarray, step_us: float) -> dict[str, Any]:
    """Ceilings of this device beside what one pass over the rows needs, and what one step of one fit takes.

    Operations are counted by hand of the formula's parts (a fused multiply-add is two); those of exponentials and
    logarithms are counted as such, since their own speed is measured. Bytes are the least: a pass has to read weights
    and write sums, and may keep all else in registers; ``bytes_xla`` is what the compiled program moves.

    Args:
        optimum: ``(5,)``, around which passes are made.
        step_us: What a step of a fit took, of a wide batch.
    """
    on_cpu = jax.default_backend() == "cpu"
    lanes = 1 << 11 if on_cpu else 1 << 17
    data = jax.tree.map(jnp.asarray, points())
    rows, size = len(data.log_loss), 5
    rng = np.random.default_rng(2)
    vectors = jnp.asarray(optimum + 0.1 * SPREAD * rng.standard_normal((lanes, size)))
    counts, which = jnp.asarray(resamples(64, rows)), jnp.asarray(rng.integers(0, 64, lanes))

    def one(vector: Array, draw: Array) -> Any:
        corner = jnp.asarray(HUBER)
        return moments(residual, data, counts[draw], vector, None, HUBER, Corners(corner, corner), backwards=not on_cpu)

    program = jax.jit(jax.vmap(one), compiler_options=REORDER).lower(vectors, which).compile()
    pass_s = _seconds(program, vectors, which) / lanes
    bytes_xla = float((program.cost_analysis() or {})["bytes accessed"]) / lanes
    # Of a row: 2 exponentials and 1 logarithm; of each of 28 sums a product and an addition, of 15 one product more;
    # some 40 for the formula, its derivatives and the loss.
    operations, special = rows * (2 * 28 + 15 + 40), rows * 3
    ceiling = _ceilings(on_cpu)
    cores = (os.cpu_count() or 1) if on_cpu else 1  # a step of a batch has them all, a pass has one
    least_s = operations / ceiling["flops"] + special / ceiling["exponentials"]
    bytes_least = 8 * (rows + 28)
    return {
        "rows": rows,
        "flops_a_pass": operations,
        "exponentials_a_pass": special,
        "bytes_a_pass_least": bytes_least,
        "bytes_a_pass_xla": bytes_xla,
        "pass_us": 1e6 * pass_s,
        "step_us": step_us,
        "ceiling_flops": ceiling["flops"],
        "ceiling_exponentials": ceiling["exponentials"],
        "ceiling_bytes": ceiling["bytes"],
        "share_of_arithmetic": least_s / pass_s,
        "share_of_arithmetic_step": 1e6 * least_s / (cores * step_us),
        "share_of_memory": None if on_cpu else bytes_xla / ceiling["bytes"] / pass_s,  # a CPU has caches
    }


def _ceilings(on_cpu: bool) -> dict[str, float]:
    """Measured: operations, exponentials and copied bytes a second, float64; of one core of a CPU, or of a GPU."""
    x = jnp.linspace(0.1, 0.9, 1 << 11 if on_cpu else 1 << 24)  # stays in a core's cache, and on one core
    repeat = 1 << 8 if on_cpu else 1  # starting a program takes long beside so little work
    big = jnp.ones(1 << 24 if on_cpu else 1 << 28)

    def chain(step: Callable[[Array, Array], Array]) -> Callable[[Array], Array]:
        def once(_: Array, y: list[Array]) -> list[Array]:
            for _step in range(CHAIN):
                y = [step(each, x) for each in y]
            return y

        return jax.jit(lambda x: lax.fori_loop(0, repeat, once, [x + 0.1 * i for i in range(ABREAST)]))

    work = repeat * ABREAST * CHAIN * len(x)
    return {
        "flops": 2.0 * work / _seconds(chain(lambda y, x: y * x + x), x),
        "exponentials": work / _seconds(chain(lambda y, x: jnp.exp(-y)), x),
        "bytes": 2.0 * big.nbytes / _seconds(jax.jit(lambda v: v * 1.0001), big),
    }


def _seconds(function: Callable[..., Any], *arguments: Any) -> float:
    """The fastest of five calls after the first."""
    jax.block_until_ready(function(*arguments))
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        taken.append(time.perf_counter() - start)
    return min(taken)
