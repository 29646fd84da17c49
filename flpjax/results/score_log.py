"""A log of scored forecasts, a line a quantity, and how well calibrated the forecasts of it were."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flpjax.errors import InputError
from flpjax.results.scoring import Scored, Scoring
from flpjax.shown import ShownAsTable

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Of central intervals that calibration is told at."""
KEYS = ("forecast_sha256", "target", "kind", "name")
"""What a quantity is told apart by: scored again, the last line counts."""
NUMBERS = ("median", "lower", "upper", "actual")
MAYBE = ("rank", "crps", "baseline_crps")
LARGEST = 2**28  # bytes of a log: a million quantities


@dataclass(frozen=True)
class Logged:
    """One line.

    Attributes:
        forecast: SHA-256 of the forecast's file, or when it was registered.
        method: The method's name.
        level: Probability of its intervals.
        cell: What was forecast and what came.
    """

    forecast: str
    method: str
    level: float
    cell: Scored


@dataclass(frozen=True)
class Calibration(ShownAsTable):
    """How well forecasts of a log were calibrated.

    Attributes:
        forecasts: How many there were.
        cells: ``(quantity,)``.
    """

    forecasts: int
    cells: tuple[Logged, ...]

    @property
    def ranks(self) -> tuple[float, ...]:
        """Shares of the draws below what came, ascending: of a calibrated forecast even between 0 and 1."""
        return tuple(sorted(line.cell.rank for line in self.cells if line.cell.rank is not None))

    def held(self, level: float) -> float:
        """Share of the quantities that central intervals of this probability hold; NaN of none."""
        ranks = self.ranks
        tail = 0.5 * (1.0 - level)
        return sum(tail <= rank <= 1.0 - tail for rank in ranks) / len(ranks) if ranks else math.nan

    @property
    def gain(self) -> float | None:
        """How much less the CRPS is than the baseline's, a geometric mean over quantities; None without both."""
        pairs = [(c.crps, c.baseline_crps) for line in self.cells if (c := line.cell).crps and c.baseline_crps]
        ratios = [math.log(own / other) for own, other in pairs if own and other]
        return 1.0 - math.exp(sum(ratios) / len(ratios)) if ratios else None

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one a probability, with the share that central intervals of it held."""
        return [{"level": level, "held": self.held(level), "quantities": len(self.ranks)} for level in LEVELS]

    def by_forecast(self) -> list[dict[str, Any]]:
        """Tidy rows: one a forecast, whose quantities came together and count as one more than as many."""
        rows = []
        for forecast in dict.fromkeys(line.forecast for line in self.cells):
            lines = [line for line in self.cells if line.forecast == forecast]
            held = [line.cell.held for line in lines if line.cell.held is not None]
            below = [line.cell.actual < line.cell.median for line in lines]
            rows.append(
                {
                    "forecast": forecast,
                    "targets": ", ".join(dict.fromkeys(line.cell.target for line in lines)),
                    "method": lines[0].method,
                    "level": lines[0].level,
                    "held": sum(held),
                    "intervals": len(held),
                    "below": sum(below) / len(below),
                }
            )
        return rows

    def to_json(self) -> str:
        """The calibration as JSON text."""
        held = [{**row, "held": None if math.isnan(row["held"]) else row["held"]} for row in self.to_dicts()]
        content = {"forecasts": self.by_forecast(), "calibration": held, "crps_below_baseline": self.gain}
        return json.dumps(content, indent=2, allow_nan=False)


def log_lines(scoring: Scoring) -> str:
    """Text to append to a log: a line of JSON for each quantity."""
    about = {
        "forecast_sha256": scoring.digest or scoring.registered_at,
        "registered_at": scoring.registered_at,
        "method": scoring.method,
        "level": scoring.level,
    }
    return "".join(f"{json.dumps(about | cell.to_dict(), allow_nan=False)}\n" for cell in scoring.cells)


def read_log(path: Path) -> Calibration:
    """Read a log; of a quantity that was scored again the last line counts.

    Raises:
        InputError: It can't be read, or a line is no quantity that was scored.
    """
    where = str(path)
    try:
        if path.stat().st_size > LARGEST:
            raise InputError("the log is too large", where=where, remedy="Is this a log of scored forecasts?")
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError("this is no UTF-8 text", where=where, remedy="Is this a log of scored forecasts?") from None
    except OSError as error:
        remedy = "flpjax score FORECAST ACTUAL begins one"
        raise InputError(f"can't be read ({error.strerror})", where=where, remedy=remedy) from None
    found: dict[tuple[Any, ...], Logged] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            key, logged = _logged(line, f"{where}, line {number}")
            found[key] = logged
    return Calibration(len({line.forecast for line in found.values()}), tuple(found.values()))


def _logged(line: str, where: str) -> tuple[tuple[Any, ...], Logged]:
    try:
        row = json.loads(line)
        key = tuple(str(row[name]) for name in KEYS)
        median, lower, upper, actual = (_number(row[name]) for name in NUMBERS)
        rank, crps, base = (None if row[name] is None else _number(row[name]) for name in MAYBE)
        kind = row["kind"]
        level = _number(row["level"])
        if kind not in ("loss", "score") or not 0.0 < level < 1.0 or not 0.0 <= (rank or 0.0) <= 1.0:
            raise ValueError(kind)
        if (crps or 0.0) < 0.0 or (base or 0.0) < 0.0:
            raise ValueError("a CRPS below 0")
        cell = Scored(key[1], kind, key[3], median, lower, upper, actual, rank, crps, base)
        return key, Logged(key[0], str(row["method"]), level, cell)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise InputError(
            f"the line is no quantity that was scored ({type(error).__name__})", where=where, remedy="Remove the line"
        ) from None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def reliability(ranks: Sequence[float]) -> Iterable[tuple[float, float]]:
    """Probability of central intervals → share of the ranks that they hold, at every rank."""
    levels = sorted(abs(2.0 * rank - 1.0) for rank in ranks)
    return [(level, (i + 1) / len(levels)) for i, level in enumerate(levels)]
