"""What every floor needs to know about precision, random keys and compilation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, TypeVar

import jax
import numpy as np
from jax import Array

from flpjax.errors import PrecisionError

R = TypeVar("R")

QUICK = {"xla_cpu_use_fusion_emitters": False}
"""XLA's older emitter of kernels for CPUs: programs compile in half the time and run as fast. Others ignore it."""
QUICK_ON_CPU = {"xla_backend_optimization_level": 1}
"""LLVM's first level in place of its third: a fifth less to compile, and as fast. GPUs would heed it, too."""


def compiled(
    function: Callable[..., R], *, static_argnums: int | tuple[int, ...] = (), options: Mapping[str, Any] | None = None
) -> Callable[..., R]:
    """``jax.jit`` that compiles quickly.

    Args:
        function: What to compile; not to be called by other compiled programs, since options are of a whole one.
        static_argnums: As of ``jax.jit``.
        options: Compiler options besides; they must be known to XLA.
    """

    @cache
    def program() -> Callable[..., R]:
        return jax.jit(function, static_argnums=static_argnums, compiler_options=_quick() | dict(options or {}))

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> R:
        return program()(*arguments, **named)

    return call


@cache
def _quick() -> dict[str, Any]:
    """The quick options, or none where this XLA no longer knows them: it refuses a program that names such a one."""
    options = QUICK | (QUICK_ON_CPU if jax.default_backend() == "cpu" else {})
    try:
        jax.jit(lambda: np.int32(0), compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def require_x64(what: str) -> None:
    """Refuse to go on in 32 bits: tolerances of a robust fit lie below what float32 resolves.

    flpjax never switches the precision itself; that is the program's decision.

    Args:
        what: The name of the caller, for the message.

    Raises:
        PrecisionError: JAX's ``jax_enable_x64`` is off.
    """
    if not jax.config.read("jax_enable_x64"):
        raise PrecisionError(
            f"{what} needs float64, and JAX is set to float32",
            remedy='Call jax.config.update("jax_enable_x64", True) when the program starts, or set JAX_ENABLE_X64=1',
        )


def generator(key: Array, *salt: int) -> np.random.Generator:
    """A NumPy generator seeded by a JAX key and a salt: small draws on the host need no compiled program.

    Args:
        key: A JAX random key.
        salt: What the draws are for; other salts give independent draws.
    """
    return np.random.default_rng([*np.asarray(jax.random.key_data(key)).ravel().tolist(), *salt])
