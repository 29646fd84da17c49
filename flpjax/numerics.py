"""Precision, random keys and compilation, for every layer of the package."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, cached_property, update_wrapper
from numbers import Integral
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from flpjax.centres import Centres, with_centres, without_centres
from flpjax.errors import InputError, PrecisionError, shown
from flpjax.kept import NotKeptError, Program, Shelf, signature

R = TypeVar("R")
V = TypeVar("V")

FASTER_COMPILATION = {"xla_cpu_use_fusion_emitters": False}
"""Compile for CPUs with XLA's older kernel emitter: half the time, and programs run as fast. GPUs ignore it."""
FASTER_COMPILATION_ON_CPU = {"xla_backend_optimization_level": 1}
"""Compile with LLVM's optimisation level 1, not 3: a fifth less time, programs as fast. GPUs would obey it, too."""


class compiled(Generic[R]):  # noqa: N801 - used as jax.jit is
    """``jax.jit`` with compiler options that shorten compilation; attributes are those of the jitted function.

    Laws that differ in their centres only share a program, to which the centres are handed (:mod:`flpjax.centres`).

    Args:
        function: What to compile. Compiler options hold for whole programs: as part of another one it has none.
        static_argnums: As in ``jax.jit``.
        options: Further compiler options, which XLA must support.
    """

    def __init__(
        self,
        function: Callable[..., R],
        *,
        static_argnums: int | tuple[int, ...] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._function = function
        self._static = (static_argnums,) if isinstance(static_argnums, int) else tuple(sorted(static_argnums))
        self._options = dict(options or {})
        self._known: dict[Any, Program | None] = {}
        self._locks: defaultdict[Any, Lock] = defaultdict(Lock)  # of programs that are being found
        self._whole: set[Any] = set()  # static arguments that need their centres when they are traced
        update_wrapper(self, function)

    def __call__(self, *arguments: Any, **named: Any) -> R:
        """Call the compiled function."""
        if named:
            arguments = inspect.signature(self._function).bind(*arguments, **named).args
        values = jax.tree.leaves([v for i, v in enumerate(arguments) if i not in self._static])
        if any(isinstance(v, jax.core.Tracer) for v in values):
            return self._part(*arguments)
        centres, shared = self._shared(arguments)
        if any(centres):
            try:
                return self._called(centres, shared)
            except (TypeError, ValueError, AttributeError):  # of a formula that needs a number, and gets a traced one
                self._whole.add(self._statics(shared))
        return self._called((), arguments)

    def lower(self, *arguments: Any) -> Any:
        """As the jitted function's."""
        centres, shared = self._shared(arguments)
        return self._program.lower(centres, *shared)

    def _statics(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(arguments[i] for i in self._static)

    def _shared(self, arguments: tuple[Any, ...]) -> tuple[tuple[Centres, ...], tuple[Any, ...]]:
        """The centres of each static argument, and the arguments without."""
        apart = {i: without_centres(arguments[i]) for i in self._static}
        shared = tuple(apart[i][0] if i in apart else v for i, v in enumerate(arguments))
        if self._whole and self._statics(shared) in self._whole:
            return (), arguments
        return tuple(centres for _, centres in apart.values()), shared

    def _called(self, centres: tuple[Centres, ...], arguments: tuple[Any, ...]) -> R:
        if _shelf is not None:
            numbers = centres, *(v for i, v in enumerate(arguments) if i not in self._static)
            leaves, tree = jax.tree.flatten(numbers)
            with suppress(NotKeptError):
                key = self._statics(arguments), tree, tuple(map(signature, leaves))
                if key not in self._known:
                    with self._locks[key]:  # threads that ask for it at once get the same one
                        if key not in self._known:
                            self._known[key] = self._found(_shelf, (centres, *arguments), numbers)
                program = self._known[key]
                if program is not None:
                    try:
                        return program(*numbers)
                    except jax.errors.JaxRuntimeError:  # what was kept does not run here
                        self._known[key] = None
        return self._program(centres, *arguments)

    def _found(self, shelf: Shelf, arguments: tuple[Any, ...], numbers: tuple[Any, ...]) -> Program | None:
        name = f"{self.__module__}.{self.__qualname__}"
        if "<" in name:  # made inside another function: the name does not tell which it is
            return None
        how = sorted((_wanted_options() | self._options).items())  # which of them there are, the version says
        try:
            return shelf.program(name, lambda: self._program, self._statics(arguments[1:]), arguments, numbers, how)
        except NotKeptError:
            return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    @cached_property
    def _part(self) -> Callable[..., R]:
        """The same under a transformation or in another program, which take no options."""
        return jax.jit(self._function, static_argnums=self._static)

    @cached_property
    def _program(self) -> Any:
        """Made at the first call: the device, on which options depend, may be chosen until then."""

        def program(centres: tuple[Centres, ...], *arguments: Any) -> R:
            whole = list(arguments)
            for i, own in zip(self._static, centres, strict=False):
                whole[i] = with_centres(whole[i], own)
            return self._function(*whole)

        mark = f"_{_shelf.mark}" if _shelf is not None else ""
        program.__name__ = program.__qualname__ = self.__name__ + mark
        static = tuple(i + 1 for i in self._static)
        return jax.jit(program, static_argnums=static, compiler_options=_compiler_options() | self._options)


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
def _compiler_options() -> dict[str, Any]:
    """Those of the options above that the installed XLA supports, since an unknown one is an error.

    To find out compiles a program.
    """
    options = _wanted_options()
    return (
        options
        if _supported(options)
        else {name: value for name, value in options.items() if _supported({name: value})}
    )


def _wanted_options() -> dict[str, Any]:
    """The options above; the LLVM level is left alone where ``jax_disable_most_optimizations`` sets it."""
    set_level = jax.default_backend() == "cpu" and not jax.config.read("jax_disable_most_optimizations")
    return FASTER_COMPILATION | (FASTER_COMPILATION_ON_CPU if set_level else {})


def _supported(options: Mapping[str, Any]) -> bool:
    """Whether XLA accepts compiler options."""
    try:
        jax.jit(lambda: np.int32(0), compiler_options=dict(options)).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def varying(values: V, lane: Array) -> V:
    """The same values, but marked as batched for ``vmap``, which shortens the tracing of loops.

    ``vmap`` of a loop traces its body repeatedly until it knows which parts of the state are batched. If all are
    batched from the start, it traces once: half the time, or a third for nested loops.

    Args:
        values: The loop's initial state.
        lane: Any number that is batched.
    """
    return jax.tree.map(lambda leaf: jnp.where(lane > 0, leaf, leaf), values)


def on_device(values: V) -> Any:
    """A pytree of arrays as JAX arrays, without the program that ``jax.numpy.asarray`` compiles for every shape."""
    return jax.device_put(jax.tree.map(lambda v: v if isinstance(v, Array) else np.asarray(v), values))


def require_x64(what: str) -> None:
    """Raise an error in 32 bits: the tolerances of robust fits are below the resolution of float32.

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


def random_key(seed: int) -> Array:
    """The key that ``jax.random.key`` makes, put together on the host: without a program to compile.

    Args:
        seed: A whole number.

    Raises:
        InputError: It is none.
    """
    if not isinstance(seed, Integral):
        raise InputError(f"the seed {shown(seed)} is no whole number", remedy="Give one, say 0")
    fits = -(2**63) <= seed < 2**63 and jax.config.read("jax_enable_x64")
    if not fits or jax.config.values["jax_default_prng_impl"] != "threefry2x32":
        return jax.random.key(seed)
    bits = np.array([seed >> 32 & 0xFFFFFFFF, seed & 0xFFFFFFFF], np.uint32)
    return jax.random.wrap_key_data(jax.device_put(bits))


def generator(key: Array, *salt: int) -> np.random.Generator:
    """A NumPy generator seeded by a JAX key and a salt: small draws on the host need no compiled program.

    Args:
        key: A JAX random key.
        salt: Integers that identify a use of the key; generators of different salts are independent.

    Raises:
        InputError: It is no key.
    """
    try:
        words = np.asarray(jax.random.key_data(key)).ravel().tolist()
    except TypeError:
        raise InputError(f"{shown(key)} is no random key", remedy="Give jax.random.key(0)") from None
    return np.random.default_rng([*words, *salt])
