"""The speed-up of one recipe over another, as a result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from flpjax.ladder.table import Floats
from flpjax.results.prediction import Interval
from flpjax.shown import ShownAsTable


@dataclass(frozen=True)
class Factor:
    """B's effective compute over its own: what A would need to do the same, over what B has.

    Attributes:
        flops: Compute of B, FLOPs; of a loss or score that was asked for, the median of what B needs.
        factor: With its interval; 1,000 and .001 stand for what is beyond.
        p_better: Probability that B is better: that the factor is above 1.
        extrapolated: Whether B was not tried there, or A not at the factor's compute.
        value: The loss or score that B has there, a median.
    """

    flops: float
    factor: Interval
    p_better: float
    extrapolated: bool
    value: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "flops": self.flops,
            "factor": self.factor.to_dict(),
            "p_better": self.p_better,
            "extrapolated": self.extrapolated,
            "value": self.value,
        }


@dataclass(frozen=True)
class HypothesisProbabilities:
    """What runs say of how recipes differ, as probabilities.

    Attributes:
        constant: Of one factor at every scale.
        own_exponents: Of exponents of each recipe's own.
        own_asymptote: Of an irreducible loss of each one's own.
        heavy_tails: Of noise with heavy tails.
        constant_before: Of one factor at every scale, before a run was seen.
        noise: S.d. of runs about the law: of log losses, or of scores.
        pair_correlation: Share of the noise's variance that the two runs of a pair have in common; None without pairs.
        law: ``"C"``, or ``"N, D"``: what the laws read.
    """

    constant: float
    own_exponents: float
    own_asymptote: float
    heavy_tails: float
    constant_before: float
    noise: Interval
    pair_correlation: Interval | None
    law: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        numbers = ("constant", "own_exponents", "own_asymptote", "heavy_tails", "constant_before", "law")
        pair_correlation = None if self.pair_correlation is None else self.pair_correlation.to_dict()
        return {
            **{n: getattr(self, n) for n in numbers},
            "noise": self.noise.to_dict(),
            "pair_correlation": pair_correlation,
        }


@dataclass(frozen=True, eq=False)
class OutputSpeedup:
    """By one loss or score.

    Attributes:
        name: The loss domain or task.
        kind: Which of both.
        via: The loss that a score goes through; None for losses, and for scores against compute.
        runs: How many of each recipe.
        pairs: How many of these are pairs of one N and D.
        measured: Ends of B's compute in which neither recipe is extrapolated, FLOPs; NaN if there is none.
        headline: At the largest compute where neither is; at the end that is nearest, if there is none.
        scales: Over compute, beyond what was tried, too.
        values: At the losses or scores that were asked for.
        curve: ``(scale, 4)`` FLOPs, median, lower and upper bound of the factor: a picture's.
        evidence: What decided which laws have a say.
    """

    name: str
    kind: Literal["loss", "score"]
    via: str | None
    runs: tuple[int, int]
    pairs: int
    measured: tuple[float, float]
    headline: Factor
    scales: tuple[Factor, ...]
    values: tuple[Factor, ...]
    curve: Floats
    evidence: HypothesisProbabilities

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "via": self.via,
            "runs": list(self.runs),
            "pairs": self.pairs,
            "measured": None if np.isnan(self.measured[0]) else list(self.measured),
            **self.headline.to_dict(),
            "scales": [factor.to_dict() for factor in self.scales],
            "values": [factor.to_dict() for factor in self.values],
            "evidence": self.evidence.to_dict(),
        }


@dataclass(frozen=True, eq=False)
class Speedup(ShownAsTable):
    """The speed-up of recipe B over recipe A.

    Attributes:
        names: Of A and B.
        outputs: By each loss and score; the first is shown in detail.
        level: Probability of the intervals.
        draws: How many draws there were.
        warnings: What the reader should know.
    """

    names: tuple[str, str]
    outputs: tuple[OutputSpeedup, ...]
    level: float
    draws: int
    warnings: tuple[str, ...]

    @property
    def factor(self) -> Interval:
        """By the first loss (or score), at the largest compute where neither recipe is extrapolated."""
        return self.outputs[0].headline.factor

    @property
    def p_better(self) -> float:
        """Probability that B is better there."""
        return self.outputs[0].headline.p_better

    def output(self, name: str) -> OutputSpeedup:
        """By one loss or score.

        Raises:
            KeyError: There is none of this name.
        """
        return {each.name: each for each in self.outputs}[name]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Tidy rows: one a scale, of every loss and score."""
        return [
            {
                "output": output.name,
                "kind": output.kind,
                "flops": each.flops,
                "value": each.value,
                **each.factor.to_dict(),
                "p_better": each.p_better,
                "extrapolated": each.extrapolated,
            }
            for output in self.outputs
            for each in output.scales
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "a": self.names[0],
            "b": self.names[1],
            "level": self.level,
            "draws": self.draws,
            "outputs": [output.to_dict() for output in self.outputs],
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """The speed-up as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = []
        for each in self.outputs:
            at, factor = each.headline, each.headline.factor
            lines.append(
                f"{each.name}: {self.names[1]} is worth {factor.median:.3g} × the compute of {self.names[0]} "
                f"[{factor.lower:.3g}, {factor.upper:.3g}], P(better) = {at.p_better:.2f}, at {at.flops:.2g} FLOPs"
                f"{', extrapolated' if at.extrapolated else ''}"
            )
        return "\n".join(lines)
