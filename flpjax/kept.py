"""Compiled programs kept on disk by what was asked for: a process that finds one neither traces nor compiles it.

JAX's own cache finds a program by its text, for which every process must trace it anew; that takes as long as the fits
of a small ladder. Here a program is found by its function, its configuration and the shapes of its arguments, together
with all that decides what they mean: the sources of this package, versions, the processor and JAX's configuration.
"""

from __future__ import annotations

import enum
import hashlib
import os
import pickle
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import jax
import jaxlib.version
import numpy as np

PACKAGE = Path(__file__).parent
HIT = "/jax/compilation_cache/cache_hits"
"""The event by which JAX says that it found a program in its own cache; such a one can't be written again."""
LAPACK = b"lapack_"
"""What functions of LAPACK are called by in a program's bytes."""
Program = Callable[..., Any]


class NotKeptError(Exception):
    """An argument has no description that is the same in every process."""


class Shelf:
    """A folder of compiled programs.

    Args:
        folder: Where they are; it must exist.
        kept: Whether new ones may be written.

    Attributes:
        mark: Of all that decides what programs are, beside their functions and arguments. Programs bear it in their
            names, so that JAX's own cache has none from before a change: what it finds can't be written again.
    """

    def __init__(self, folder: Path, kept: bool = True) -> None:
        self.folder, self.kept = folder, kept
        self._about = _surroundings()
        self.mark = hashlib.sha256(self._about.encode()).hexdigest()[:8]
        self._hits = 0
        self._reading = Lock()  # XLA ends the process where two threads load programs at once
        jax.monitoring.register_event_listener(self._listen)

    def program(
        self,
        name: str,
        jitted: Callable[[], Any],
        static: tuple[Any, ...],
        arguments: tuple[Any, ...],
        numbers: tuple[Any, ...],
        how: Any,
    ) -> Program:
        """A compiled program for such arguments: from the folder, or made and put there.

        Args:
            name: Of the function, the same in every process and of no other.
            jitted: Gives the function as ``jax.jit`` does; it is asked only if there is no such program.
            static: Its static arguments.
            arguments: All of its arguments.
            numbers: Those that are not static.
            how: What else decides what is compiled.

        Raises:
            NotKeptError: A static argument can't be described, or there is no such program and none can be written.
        """
        leaves, tree = jax.tree.flatten(numbers)
        shapes = [signature(leaf) for leaf in leaves]
        text = repr((self._about, name, [described(value) for value in static], str(tree), shapes, how))
        path = self.folder / f"{name.rpartition('.')[2]}-{hashlib.sha256(text.encode()).hexdigest()}.program"
        found = self._read(path)
        if found is None and not self.kept:
            raise NotKeptError
        return self._made(path, jitted(), arguments) if found is None else found

    def _listen(self, event: str, **_: Any) -> None:
        self._hits += event == HIT

    def _read(self, path: Path) -> Program | None:
        from jax.experimental.serialize_executable import deserialize_and_load

        try:
            data = path.read_bytes()
            with self._reading:
                if LAPACK in data:
                    _find_lapack()
                found: Program = deserialize_and_load(*pickle.loads(data))
        except FileNotFoundError:
            return None
        except Exception:  # damaged, or of another JAX: it is made again
            with suppress(OSError):
                path.unlink()
            return None
        return found

    def _made(self, path: Path, jitted: Any, arguments: tuple[Any, ...]) -> Program:
        from jax.experimental.serialize_executable import serialize

        hits = self._hits
        made: Program = jitted.lower(*arguments).compile()
        if self._hits == hits:
            with suppress(OSError, ValueError, TypeError, pickle.PicklingError, jax.errors.JaxRuntimeError):
                data = pickle.dumps(serialize(made))  # type: ignore[arg-type]
                with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
                    file.write(data)
                os.replace(file.name, path)
        return made


@cache
def _find_lapack() -> None:
    """Have JAX look LAPACK up, which it does where it lowers a factorisation: a program that was read calls nowhere."""
    matrix = jax.ShapeDtypeStruct((1, 1), np.float32)
    jax.jit(jax.numpy.linalg.cholesky).trace(matrix).lower(lowering_platforms=("cpu",))


def signature(leaf: Any) -> tuple[Any, ...]:
    """What a program depends on of an argument's leaf.

    Raises:
        NotKeptError: It is no array of numbers, or one that is being traced.
    """
    if type(leaf) is float:
        return (float.__name__,)
    if isinstance(leaf, jax.core.Tracer) or not isinstance(leaf, np.ndarray | np.generic | jax.Array):
        raise NotKeptError
    if not isinstance(leaf.dtype, np.dtype):  # keys
        raise NotKeptError
    return leaf.shape, leaf.dtype.str, bool(getattr(leaf, "weak_type", False))


def described(value: Any) -> Any:
    """A static argument in plain values whose text is the same in every process.

    Raises:
        NotKeptError: It holds something of which that is not known, such as a function of the user's own.
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str, bytes):
        return value
    own = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, enum.Enum) and own:
        return name, value.name
    if is_dataclass(value) and own and not isinstance(value, type):
        return name, [(f.name, described(getattr(value, f.name))) for f in fields(value)]
    if isinstance(value, tuple | list) and (own or kind in (tuple, list)):
        return name, [described(v) for v in value]
    if isinstance(value, Mapping):
        return name, [(described(k), described(v)) for k, v in value.items()]
    if isinstance(value, np.generic | np.dtype):
        return name, str(value)
    raise NotKeptError


def _surroundings() -> str:
    """All that decides what a program is, beside its function and arguments."""
    sources = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(PACKAGE.rglob("*.py"))]
    versions = jax.__version__, jaxlib.version.__version__, np.__version__, sys.version
    jax_settings = sorted((name, repr(value)) for name, value in jax.config.values.items())
    return repr((sources, versions, _processor(), os.environ.get("XLA_FLAGS", ""), jax_settings))


def _processor() -> str:
    """The processor's name and abilities, for which programs are compiled."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        return repr(
            [line for line, _ in zip(file, range(40), strict=False) if line.startswith(("flags", "model name"))]
        )
    return platform.machine() + platform.processor()
