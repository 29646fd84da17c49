"""PASS, REVIEW or FAIL: one named check of a forecast, and all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from flpjax.shown import ShownAsTable


class Verdict(IntEnum):
    """What a check says, from good to bad."""

    PASS = 0
    REVIEW = 1
    FAIL = 2


def between(value: float, good: float, bad: float) -> Verdict:
    """PASS up to ``good``, FAIL beyond ``bad``; NaN fails."""
    return Verdict.PASS if value <= good else Verdict.REVIEW if value <= bad else Verdict.FAIL


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
        name: What was checked.
        verdict: What it says.
        figure: What was found, with numbers.
        remedy: What to do about it; empty if it passes.
    """

    name: str
    verdict: Verdict
    figure: str
    remedy: str = ""


@dataclass(frozen=True)
class Review(ShownAsTable):
    """All checks of a forecast."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        return max((f.verdict for f in self.findings), default=Verdict.PASS)

    @property
    def open(self) -> tuple[Finding, ...]:
        """The checks that don't pass, the worst first."""
        return tuple(sorted((f for f in self.findings if f.verdict), key=lambda f: -f.verdict))

    def __getitem__(self, name: str) -> Finding:
        return next(f for f in self.findings if f.name == name)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one a check."""
        return [
            {"check": f.name, "verdict": f.verdict.name, "figure": f.figure, "remedy": f.remedy} for f in self.findings
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"verdict": self.verdict.name, "findings": self.to_dicts()}

    def to_json(self) -> str:
        """The review as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        if not self.open:
            return f"Review: all {len(self.findings)} checks pass"
        lines = [
            f"Review: {self.verdict.name}, {len(self.findings) - len(self.open)} of {len(self.findings)} checks pass"
        ]
        lines += [f"  {f.verdict.name} {f.name}: {f.figure}. {f.remedy}".rstrip() for f in self.open]
        return "\n".join(lines)
