"""A model that is not trained yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from flpjax.errors import InputError
from flpjax.fitting.draws import Ladder
from flpjax.runs.compute import FlopsRule
from flpjax.runs.table import Runs

FAR = 1000.0  # beyond this ratio of FLOPs nobody has checked that any law holds

_KEYS = {"n": "params", "params": "params", "d": "tokens", "tokens": "tokens", "c": "flops", "flops": "flops"}


@dataclass(frozen=True)
class Target:
    """What to forecast: a model by its compute.

    Attributes:
        name: What to call it.
        params: Non-embedding parameters N.
        tokens: Training tokens D.
        flops: Training FLOPs C; left out, they are counted by the ladder's own rule.
    """

    name: str
    params: float | None = None
    tokens: float | None = None
    flops: float | None = None

    def __post_init__(self) -> None:
        for what in ("params", "tokens", "flops"):
            value = getattr(self, what)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{what} {value:g} is not a positive number", where=f"target '{self.name}'")
        if self.flops is None and (self.params is None or self.tokens is None):
            raise InputError(
                "neither FLOPs nor both N and D are given",
                where=f"target '{self.name}'",
                remedy="Write N=7e9,D=4e12 or C=1.7e23",
            )

    def filled(self, rule: FlopsRule) -> Target:
        """With FLOPs, counted as the ladder counts them where they are not given."""
        if self.flops is not None or self.params is None or self.tokens is None:
            return self
        return replace(self, flops=rule(self.params, self.tokens))


def parse_target(text: str) -> Target:
    """Read ``N=7e9,D=4e12``, ``C=1e23`` or ``7B: N=7e9, D=4e12``.

    Raises:
        InputError: The text is something else.
    """
    head, colon, rest = text.rpartition(":")
    values: dict[str, float] = {}
    for piece in filter(None, (p.strip() for p in rest.split(","))):
        key, equals, number = (p.strip() for p in piece.partition("="))
        if not equals or key.lower() not in _KEYS:
            raise InputError(
                f"'{piece}' is not understood",
                where=f"target '{text}'",
                remedy="Write N=7e9,D=4e12 or C=1.7e23",
            )
        if _KEYS[key.lower()] in values:
            raise InputError(f"'{key}' is given twice", where=f"target '{text}'", remedy="Give it once")
        values[_KEYS[key.lower()]] = _number(number, text)
    name = head.strip() if colon else text.strip()
    return Target(name or "target", **values)


def targets_of(runs: Runs) -> list[Target]:
    """The final checkpoints of runs, as targets."""
    finals = runs.finals()
    each = zip(finals.run, finals.params, finals.tokens, finals.flops, strict=True)
    return [Target(finals.names[r], float(n), float(d), float(c)) for r, n, d, c in each]


def extrapolation(target: Target, ladder: Ladder) -> float:
    """Target FLOPs over the FLOPs of the ladder's largest run."""
    assert target.flops is not None
    return target.flops / ladder.flops[1]


def extrapolation_warning(target: Target, ladder: Ladder) -> list[str]:
    """What is unusual about how far a target lies from the ladder."""
    warnings = []
    ratio = extrapolation(target, ladder)
    if ratio <= 1.0:
        warnings.append(
            f"target '{target.name}' lies inside the ladder ({ratio:.2g} × its largest run): this is interpolation"
        )
    elif ratio >= FAR:
        warnings.append(
            f"target '{target.name}' lies {ratio:,.0f} × beyond the ladder's largest run: no law was ever checked that "
            "far; train a larger rung"
        )
    if target.params and target.tokens:
        counted = target.flops / (target.params * target.tokens) if target.flops else 0.0
        if abs(counted / (ladder.rule(target.params, target.tokens) / (target.params * target.tokens)) - 1.0) > 0.1:
            warnings.append(
                f"target '{target.name}' has {counted:.2f} FLOPs per parameter and token, the ladder's own rule gives "
                f"{ladder.rule(target.params, 1.0) / target.params:.2f}: are both counted in the same way?"
            )
    return warnings


def _number(text: str, where: str) -> float:
    """A number, with K, M, B or T for thousands, millions, billions and trillions."""
    match = re.fullmatch(r"([0-9.]+(?:e[+-]?[0-9]+)?)([kmbt]?)", text.lower().replace("_", ""))
    try:
        if match is None:
            raise ValueError
        return float(match[1]) * {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}[match[2]]
    except ValueError:
        raise InputError(f"'{text}' is not a number", where=f"target '{where}'", remedy="Write 7e9 or 7B") from None
