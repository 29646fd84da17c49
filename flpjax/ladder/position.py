"""Where a name stands among others."""

from __future__ import annotations

from flpjax.errors import InputError, did_you_mean


def index_of(name: str, names: tuple[str, ...], what: str, where: str) -> int:
    """The position of ``name``, or an error that names the nearest.

    Raises:
        InputError: ``name`` is not among ``names``.
    """
    if name not in names:
        raise InputError(f"there is no {what} '{name}'", where=where, remedy=did_you_mean(name, names))
    return names.index(name)
