"""What every floor needs to know about precision, random keys and compilation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, cached_property, partial, update_wrapper
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.errors import PrecisionError
from flpjax.kept import NotKeptError, Program, Shelf, signature

R = TypeVar("R")
V = TypeVar("V")

QUICK = {"xla_cpu_use_fusion_emitters": False}
"""XLA's older emitter of kernels for CPUs: programs compile in half the time and run as fast. Others ignore it."""
QUICK_ON_CPU = {"xla_backend_optimization_level": 1}
"""LLVM's first level in place of its third: a fifth less to compile, and as fast. GPUs would heed it, too."""


class compiled(Generic[R]):  # noqa: N801 - used as jax.jit is
    """``jax.jit`` that compiles quickly; it has all that a jitted function has.

    Args:
        function: What to compile; not to be called by other compiled programs, since options are of a whole one.
        static_argnums: As of ``jax.jit``.
        options: Compiler options besides; XLA must know them.
    """

    def __init__(
        self,
        function: Callable[..., R],
        *,
        static_argnums: int | tuple[int, ...] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._make = partial(jax.jit, function, static_argnums=static_argnums)
        self._static = {static_argnums} if isinstance(static_argnums, int) else {*static_argnums}
        self._options = dict(options or {})
        self._known: dict[Any, Program | None] = {}
        update_wrapper(self, function)

    def __call__(self, *arguments: Any, **named: Any) -> R:
        """As the function."""
        if _shelf is not None and not named:
            numbers = tuple(v for i, v in enumerate(arguments) if i not in self._static)
            static = tuple(v for i, v in enumerate(arguments) if i in self._static)
            leaves, tree = jax.tree.flatten(numbers)
            with suppress(NotKeptError):
                key = static, tree, tuple(map(signature, leaves))
                if key not in self._known:
                    self._known[key] = self._found(_shelf, static, arguments, numbers)
                program = self._known[key]
                if program is not None:
                    try:
                        return program(*numbers)
                    except jax.errors.JaxRuntimeError:  # what was kept does not run here
                        self._known[key] = None
        return self._program(*arguments, **named)

    def _found(
        self, shelf: Shelf, static: tuple[Any, ...], arguments: tuple[Any, ...], numbers: tuple[Any, ...]
    ) -> Program | None:
        name = f"{self.__module__}.{self.__qualname__}"
        if "<" in name:  # made inside another function: the name does not tell which it is
            return None
        how = sorted((_quick() | self._options).items())
        try:
            return shelf.program(name, self._program, static, arguments, numbers, how)
        except NotKeptError:
            return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    @cached_property
    def _program(self) -> Any:
        """Made at the first call, since only then the device is sure."""
        return self._make(compiler_options=_quick() | self._options)


_shelf: Shelf | None = None


def keep_programs(folder: Path, write: bool = True) -> None:
    """Keep what :class:`compiled` makes, and take from there what was made before: on a CPU, as one device.

    Args:
        folder: Where; it must exist.
        write: Whether new programs may be written there.
    """
    global _shelf
    if jax.default_backend() == "cpu" and jax.device_count() == 1 and _shelf is None:
        _shelf = Shelf(folder, write)


@cache
def _quick() -> dict[str, Any]:
    """The quick options that this XLA knows: it refuses a program that names another.

    Where JAX was told not to optimise (``jax_disable_most_optimizations``), that holds for these programs, too.
    """
    own = jax.default_backend() == "cpu" and not jax.config.read("jax_disable_most_optimizations")
    options = QUICK | (QUICK_ON_CPU if own else {})
    return options if _known(options) else {name: value for name, value in options.items() if _known({name: value})}


def _known(options: Mapping[str, Any]) -> bool:
    """Whether a program can be compiled with them."""
    try:
        jax.jit(lambda: np.int32(0), compiler_options=dict(options)).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def varying(values: V, lane: Array) -> V:
    """The same values, as if each lane of a batch had its own.

    ``vmap`` finds out what differs by lane of a loop's state by tracing the loop until nothing changes. A state that
    differs from the start is traced once: half the time, or a third for loops in loops.

    Args:
        values: The state that a loop begins with, of one lane.
        lane: Any number that lanes have of their own.
    """
    return jax.tree.map(lambda leaf: jnp.where(lane > 0, leaf, leaf), values)


def on_device(values: V) -> Any:
    """A pytree of arrays as JAX's; ``jax.numpy.asarray`` would compile a program for every shape."""
    return jax.device_put(jax.tree.map(lambda v: v if isinstance(v, Array) else np.asarray(v), values))


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
