"""Numbers as people and spreadsheets write them: ``160M``, ``20,000,000``, ``25.04%``, and words for nothing."""

from __future__ import annotations

import math
import re

from flpjax.readers.cells import NUMBER

SUFFIXED = re.compile(
    r"([+-]?\d*\.?\d+(?:e[+-]?\d+)?)\s*([KMBT])(?:\s*(?:tok(?:en)?|param(?:eter)?)s?)?", re.IGNORECASE
)
TIMES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d{1,3}(?:[ '’\u00a0\u2009\u202f]\d{3})+(?:\.\d*)?", re.ASCII)
"""Thousands in groups; a decimal comma before three digits looks the same, so that only sizes are read so."""
POWER = re.compile(r"([+-]?\d+\.?\d*)\s*[x×*·]\s*10\s*(?:\^|\*\*)?\s*\{?([+-]?\d{1,2})\}?", re.ASCII)
"""``1.2 × 10^20``, as papers print it."""
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
SIZES = ("params", "tokens", "flops", "step", "batch", "batch_tokens", "context")
LONGEST = 100  # characters of a number
SHARES = ("score", "stderr", "mix")
NOT_MEASURED = frozenset(
    (
        "nan", "inf", "+inf", "-inf", "infinity", "-infinity", "none", "null", "na", "n/a", "#n/a", "nil", "missing",
        "-", "--", "–", "—", "?", "#div/0!", "#value!", "#num!", "#ref!",
    )
)  # fmt: skip
"""What stands in cells where nothing was measured, or where a run diverged."""


def number_as_written(text: str, canonical: str) -> float | None:
    """The number that a cell's text means; None if it means none, NaN where it says that nothing was measured.

    Args:
        text: The cell.
        canonical: What the column means: sizes may have a suffix or groups of thousands, shares a percent sign.
    """
    text = text.strip()
    if NUMBER.fullmatch(text):
        return float(text)
    if text.lower() in NOT_MEASURED:
        return math.nan
    if len(text) <= LONGEST and (power := POWER.fullmatch(text.translate(RAISED))):
        return float(f"{power[1]}e{power[2]}")
    kind = canonical.partition("/")[0]
    if kind in SIZES:
        if found := SUFFIXED.fullmatch(text):
            return float(found[1]) * TIMES[found[2].upper()]
        if GROUPED.fullmatch(text):
            return float(re.sub(r"[^\d.]", "", text))
    if kind in SHARES and is_percent(text):
        return number_as_written(text[:-1], "") if NUMBER.fullmatch(text[:-1].strip()) else None
    return None


def is_percent(cell: object) -> bool:
    """Whether a cell is a text with a percent sign behind it: what is before it then is a hundred times the share."""
    return isinstance(cell, str) and cell.rstrip().endswith("%")
