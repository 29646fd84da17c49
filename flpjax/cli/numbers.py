"""Numbers as people read them, whatever their size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

ROUNDING = 1e-9  # below this, a difference of losses or scores is an error of arithmetic
LARGE = 1e4  # from here on the digits before the point say less than the exponent


def fixed(value: float, digits: int, sign: bool = False) -> str:
    """``2.345``: so many digits after the point; too large or too small for that, three digits and an exponent.

    Args:
        value: The number; what is not finite is a dash.
        digits: Digits after the point.
        sign: Write a plus, too.
    """
    if not math.isfinite(value):
        return "-"
    plus = "+" if sign else ""
    value = 0.0 if abs(value) < ROUNDING else value  # without the sign of a zero
    small = 0.0 < abs(value) < 0.5 * 10.0**-digits
    return f"{value:{plus}.3g}" if small or abs(value) >= LARGE else f"{value:{plus}.{digits}f}"


def loss(value: float | None) -> str:
    """``2.345``, in nats; or a dash."""
    return "-" if value is None else fixed(value, 3)


def percent(value: float | None, digits: int = 1) -> str:
    """``2.4`` for 0.0241, or a dash: scores and relative errors."""
    return "-" if value is None else fixed(100.0 * value, digits)


def signed(value: float | None, digits: int = 1) -> str:
    """``+2.4`` for 0.0241, or a dash."""
    return "-" if value is None else fixed(100.0 * value, digits, sign=True)


def number(value: float) -> str:
    """``1.28B`` for 1.28e9: parameters and tokens."""
    value = float(f"{value:.3g}")  # first, so that 999.6 million is 1B
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if unit <= value < 1e15:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"


def span(ends: Sequence[float] | None, text: Callable[[float], str] = number) -> str:
    """``10.6M to 6.9B`` of the lower and the upper end; one number if they are equal as written; or a dash."""
    if ends is None:
        return "-"
    low, high = map(text, ends)
    return low if low == high else f"{low} to {high}"
