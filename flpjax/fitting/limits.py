"""How many draws memory holds."""

from __future__ import annotations

from flpjax.errors import InputError

MOST_DRAWS = 100_000
"""The Monte Carlo error of a 90 % interval's bounds is then .7 % of a standard deviation."""
MOST_NUMBERS = 10_000_000
"""What all draws together may hold of runs, or of outputs; a bootstrap's candidates take 3 GB then."""


def check_draw_count(draws: int, where: str = "", width: int = 1) -> None:
    """Refuse more draws than memory holds, before any is made.

    Args:
        draws: The number.
        where: What makes them.
        width: How many numbers each holds while it is made.

    Raises:
        InputError: There are too many.
    """
    most = min(MOST_DRAWS, MOST_NUMBERS // max(width, 1))
    if draws > most:
        raise InputError(f"{draws:,} draws are more than memory holds", where=where, remedy=f"Ask for {most:,} at most")
