"""Columns that are called ``loss`` or ``val_loss`` alone, and what Weights & Biases adds to every export."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flpjax.errors import InputError

VALIDATION = "loss/validation"
BARE = re.compile(
    r"(?:(?P<before>val|valid|validation|eval|evaluation|dev|test|heldout|held_out|final|lm)_)?(?:loss|cross_entropy)"
    r"(?:_(?P<after>val|valid|validation|eval|evaluation|dev|test|heldout|held_out|final))?"
)


def is_bare_loss(name: str) -> bool:
    """Whether a column is a loss without a domain, such as ``loss``, ``Val Loss``, ``eval/loss``."""
    return BARE.fullmatch(re.sub(r"[^a-z]+", "_", name.lower()).strip("_")) is not None


def bare_loss(names: Sequence[str], source: str) -> str | None:
    """The one column that is a loss without a domain, or None.

    Args:
        names: The table's columns that have no canonical name.
        source: What to call the table in messages.

    Raises:
        InputError: There are two.
    """
    found = [name for name in names if is_bare_loss(name)]
    if len(found) > 1:
        listed = " and ".join(f"'{name}'" for name in found)
        raise InputError(
            f"columns {listed} may each be the loss",
            where=source,
            remedy=f"Rename the validation loss to '{VALIDATION}', or name it in a mapping file: \"{VALIDATION}\" = "
            f"'{found[-1]}'",
        )
    return found[0] if found else None
