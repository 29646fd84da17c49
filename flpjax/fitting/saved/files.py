"""Save and load: one file holds draws, or what stands on them, such as a registered forecast."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flpjax.errors import InputError
from flpjax.fitting.saved.archive import packed, unpacked, write
from flpjax.fitting.saved.structure import decoded, encoded
from flpjax.laws.saved import is_own_law


def bytes_of(kind: str, value: Any) -> bytes:
    """The file of a structure of frozen dataclasses, named tuples, numbers, texts and arrays.

    Args:
        kind: What it is.
        value: The structure.

    Raises:
        InputError: Something in it can't be saved, such as a law that is a function of the caller's program.
    """
    content, arrays = encoded(value)
    return packed(kind, content, arrays)


def save(kind: str, value: Any, path: str | os.PathLike[str]) -> None:
    """Write the file of a structure, whole or not at all.

    Raises:
        InputError: Something in it can't be saved, or the file can't be written.
    """
    write(Path(path), bytes_of(kind, value))


def load(path: str | os.PathLike[str], *, classes: Iterable[Any] = ()) -> Any:
    """Load what was saved: draws, of ``draws.save(path)``, or a forecast that was registered.

    Nothing in the file is run: it holds numbers and names of flpjax's own classes, and checksums of all of it.

    Args:
        path: The file.
        classes: Laws of yours that are in it: their classes, or the laws that :func:`flpjax.law` made of a function or
            a module. Those of flpjax, and laws in a line, are found.

    Returns:
        :class:`flpjax.Draws` or :class:`flpjax.Registration`, bit by bit what was saved.

    Raises:
        InputError: It is no such file, was cut off or altered, is of a newer version, or holds a law that is not given.
        PrecisionError: JAX runs in 32 bits.
    """
    where = str(path)
    content = unpacked(Path(path))
    own = {each.saved_name if is_own_law(each) else f"{each.__module__}:{each.__qualname__}": each for each in classes}
    value = decoded(content.content, content.arrays, own, where)
    expected = {"draws": "Draws", "forecast": "Registration"}.get(content.kind)
    if type(value).__name__ != expected:
        raise InputError(
            f"it holds a {content.kind}, which this flpjax doesn't know", where=where, remedy="Update flpjax"
        )
    return value
