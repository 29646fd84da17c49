"""Text for a terminal: numbers as people read them, lines broken at words, and what must not be sent there."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

from rich.cells import cell_len, chop_cells

from flpjax.shown import number as number
from flpjax.shown import span as span

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
    """``+2.4`` for 0.0241, ``+0.0`` for less than half of the last digit, or a dash."""
    return "-" if value is None else fixed(round(100.0 * value, digits), digits, sign=True)


BREAKS = re.compile(
    r"""(?<=[\s_/:=,+|])(?=\S)              # after what joins the parts of a name
      | (?<=[^\d\s][.])(?=\S)               # after a point, but not a decimal one
      | (?<![\deE][-])(?<=-)(?=\S)          # after a hyphen, but not that of an exponent
      | (?<=\d-)(?=\D)""",
    re.VERBOSE,
)
UNITS = ("%", "×")  # written apart from their number, and never alone on the next line
LEFT_TO_RIGHT = "\u200e"


def visible(text: str) -> str:
    r"""The text with control characters, line breaks and marks of direction written out, as ``\x1b``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _written_out(c) if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") or c in _TURNS else c for c in text
    )


_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # these turn round what follows them


def _written_out(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def padded(text: str, width: int, right: bool = False) -> str:
    """The text in ``width`` cells; after a name in a script from right to left, numbers stay in their order."""
    space = " " * max(width - cell_len(text), 0)
    if right:
        return space + text
    turns = not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)
    return text + (LEFT_TO_RIGHT if turns else "") + space


def wrapped(text: str, width: int, hang: int = 0) -> list[str]:
    """Lines of at most ``width`` cells, broken at spaces; all but the first begin with ``hang`` spaces.

    A word longer than a line is folded where the parts of a name meet, and only if there is no such place within.
    """
    if cell_len(text) <= width:
        return [text]
    start = text[: len(text) - len(text.lstrip(" "))]
    lines, line = [], start
    for word in words(text.strip(" ")):
        fresh = not line.strip(" ")
        if cell_len(line) + (not fresh) + cell_len(word) <= width:
            line += word if fresh else f" {word}"
            continue
        if not fresh:
            lines.append(line)
        line = " " * (hang if lines else len(start))
        *full, rest = folded(word, max(width - cell_len(line), 1))
        for piece in full:
            lines.append(line + piece)
            line = " " * hang
        line += rest
    return [*lines, line]


def folded(word: str, width: int) -> list[str]:
    """Pieces of at most ``width`` cells of one word."""
    if cell_len(word) <= width:
        return [word]
    pieces = [""]
    for part in filter(None, BREAKS.split(word)):
        if cell_len(pieces[-1]) + cell_len(part) <= width:
            pieces[-1] += part
        else:
            pieces += chop_cells(part, width)
    return [p for p in pieces if p]


def words(text: str) -> list[str]:
    """Split at spaces, but not between a number and its unit or limit, nor before a bar."""
    found: list[str] = []
    for word in text.split():
        unit = word.rstrip(".,;:)") in UNITS and found and found[-1][-1:].isdigit()
        unit = unit or word in ("≥", "≤")
        if found and (unit or word == "|" or found[-1][-2:] in (" ≥", " ≤")):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def alike(messages: Mapping[str, Sequence[str]]) -> list[str]:
    """Each message once, behind the names of all that it is about: ``auto, flp: the chance level … is unknown``."""
    about: dict[str, list[str]] = {}
    for name, each in messages.items():
        for message in dict.fromkeys(each):
            about.setdefault(message, []).append(name)
    return [f"{', '.join(names)}: {message}" for message, names in about.items()]
