"""Where a name stands among others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, did_you_mean


def index_of(name: str, names: tuple[str, ...], what: str, where: str) -> int:
    """The position of ``name``, or an error that names the nearest.

    Raises:
        InputError: ``name`` is not among ``names``.
    """
    if name not in names:
        raise InputError(f"there is no {what} '{name}'", where=where, remedy=did_you_mean(name, names))
    return names.index(name)


def numbers_of(names: Sequence[Any] | NDArray[Any]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The different names as text, by where each first stands; and ``(row,)`` the number of each row's."""
    text = [*map(str, np.asarray(names, object).tolist())]
    place = {name: i for i, name in enumerate(dict.fromkeys(text))}
    return tuple(place), np.fromiter(map(place.__getitem__, text), np.int64, len(text))
