"""A model that is not trained yet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, did_you_mean, figure, is_positive, shown
from flpjax.ladder.check import MIX_SLACK
from flpjax.ladder.compute import FlopsRule, six_nd
from flpjax.ladder.features import Feature
from flpjax.readers.read import Table, read_runs

_KEYS = {"n": "params", "params": "params", "d": "tokens", "tokens": "tokens", "c": "flops", "flops": "flops"}


@dataclass(frozen=True)
class Target:
    """What to forecast: a model by its compute.

    Attributes:
        name: What to call it.
        params: Non-embedding parameters N.
        tokens: Training tokens D.
        flops: Training FLOPs C; left out, they are counted by the ladder's own rule.
        mix: Data source → mixture weight, for methods that know sources; those not named have none.
        features: Other feature → value, for laws that read it; as in columns ``x/<name>`` of the ladder.
    """

    name: str
    params: float | None = None
    tokens: float | None = None
    flops: float | None = None
    mix: Mapping[str, float] | None = None
    features: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for what in ("params", "tokens", "flops"):
            value = getattr(self, what)
            if value is not None and not is_positive(value):
                raise InputError(
                    f"{what} {figure(value)} is not a positive number",
                    where=f"target '{self.name}'",
                    remedy="Write N=7e9,D=4e12 or C=1.7e23",
                )
        if self.flops is None and (self.params is None or self.tokens is None):
            raise InputError(
                "neither FLOPs nor both N and D are given",
                where=f"target '{self.name}'",
                remedy="Write N=7e9,D=4e12 or C=1.7e23",
            )

    def weights(self, sources: Sequence[str]) -> NDArray[np.float64]:
        """``(source,)`` mixture weights, NaN without a mixture.

        Raises:
            InputError: A source is not the ladder's, or the weights are no mixture.
        """
        if self.mix is None:
            return np.full(len(sources), np.nan)
        return mixture_of(self.mix, sources, f"target '{self.name}'")

    def transformed(self, features: Sequence[Feature], inputs: Mapping[str, str]) -> dict[str, float]:
        """Other features that laws read, as they see them.

        Args:
            features: Those of the ladder.
            inputs: Feature that is read → the law that reads it.

        Raises:
            InputError: One that is read is not given or has no logarithm, or one is given that the ladder has not.
        """
        given, where = self.features or {}, f"target '{self.name}'"
        names = [f.name for f in features]
        for name in given:
            if name not in names:
                alike = did_you_mean(name, names) if names else "Leave it out"
                remedy = alike if alike.startswith("Did") else f"{alike}; shares of a mixture are mix/{name}=…"
                raise InputError(f"the ladder has no column 'x/{name}'", where=where, remedy=remedy)
        found = {}
        for feature in (f for f in features if f.name in inputs):
            name, value = feature.name, given.get(feature.name)
            if value is None:
                raise InputError(
                    f"the feature '{name}', which {inputs[name]} reads, is not given",
                    where=where,
                    remedy=f"Write x/{name}=… in the target, or use a law that does without",
                )
            if not np.isfinite(value) or (feature.transform == "log" and value <= 0):
                kind = "positive number" if feature.transform == "log" else "number"
                raise InputError(f"x/{name} is {value:g}, no {kind}", where=where, remedy="Correct it")
            found[name] = float(feature.transformed(value))
        return found

    def filled(self, rule: FlopsRule) -> Target:
        """With FLOPs, counted as the ladder counts them where they are not given; as 6·N·D where that isn't known."""
        if self.flops is not None or self.params is None or self.tokens is None:
            return self
        count = six_nd if np.isnan(rule.extra) else rule
        return replace(self, flops=float(count(self.params, self.tokens)))


def mixture_of(mix: Mapping[str, float], sources: Sequence[str], where: str) -> NDArray[np.float64]:
    """``(source,)`` the weights of a mixture given by name, scaled to sum to 1; sources not named have none.

    Raises:
        InputError: A source is not there, a weight is negative, or they don't sum to 1.
    """
    for name, weight in mix.items():
        if name not in sources:
            raise InputError(f"there is no data source '{name}'", where=where, remedy=did_you_mean(name, sources))
        if not 0.0 <= weight <= 1.0:
            raise InputError(f"the weight of '{name}' is {weight:g}", where=where, remedy="Give a share from 0 to 1")
    weights = np.array([mix.get(name, 0.0) for name in sources])
    if abs(weights.sum() - 1.0) > MIX_SLACK:
        named = ", ".join(f"{name}={weight:g}" for name, weight in mix.items())
        raise InputError(
            f"the mixture weights {named} sum to {weights.sum():.4g}, not to 1",
            where=where,
            remedy=f"The sources are {', '.join(sources)}",
        )
    return weights / weights.sum()


def parse_mix(text: str) -> dict[str, float]:
    """Read ``code=0.3,general=0.7``.

    Raises:
        InputError: The text is something else.
    """
    mix: dict[str, float] = {}
    for piece in filter(None, (p.strip() for p in text.split(","))):
        name, equals, number = (p.strip() for p in piece.rpartition("="))
        if not equals or name in mix:
            raise InputError(f"'{piece}' is not understood", where=f"mixture '{text}'", remedy="Write SOURCE=WEIGHT,…")
        mix[name] = number_of(number, f"mixture '{text}'")
    return mix


def parse_target(text: str) -> Target:
    """Read ``N=7e9,D=4e12``, ``C=1e23`` or ``7B: N=7e9, D=4e12``.

    Behind them may stand a mixture, ``mix/code=0.3,mix/web=0.7``, and other features, ``x/unique_tokens=1e11`` or
    ``unique_tokens=1e11``.

    Raises:
        InputError: The text is something else.
    """
    head, colon, rest = text.rpartition(":")
    values: dict[str, float] = {}
    grouped: dict[str, dict[str, float]] = {"mix": {}, "x": {}}
    for piece in filter(None, (p.strip() for p in rest.split(","))):
        key, equals, number = (p.strip() for p in piece.partition("="))
        group, slash, own = key.partition("/")
        if not slash and len(key) > 1 and key.lower() not in _KEYS:  # lr=3e-4: a column x/lr of the ladder
            group, slash, own = "x", "/", key
        if equals and slash and group in grouped:
            if own in grouped[group]:
                raise InputError(f"'{key}' is given twice", where=f"target '{text}'", remedy="Give it once")
            grouped[group][own] = number_of(number, f"target '{text}'")
            continue
        if not equals or key.lower() not in _KEYS:
            column = f"; the column x/{key} is x/{key}={number}" if equals and not slash else ""
            raise InputError(
                f"'{piece}' is not understood",
                where=f"target '{text}'",
                remedy=f"Write N=7e9,D=4e12 or C=1.7e23{column}",
            )
        if _KEYS[key.lower()] in values:
            raise InputError(f"'{key}' is given twice", where=f"target '{text}'", remedy="Give it once")
        values[_KEYS[key.lower()]] = number_of(number, f"target '{text}'")
    name = head.strip() if colon else text.strip()
    return Target(name or "target", **values, mix=grouped["mix"] or None, features=grouped["x"] or None)


Asked = Target | str
"""A target, or text as :func:`parse_target` reads it."""


def target_from(asked: Asked) -> Target:
    """The one target that was asked for.

    Raises:
        InputError: It is neither a target nor text, or the text is something else.
    """
    if isinstance(asked, Target):
        return asked
    if isinstance(asked, str):
        return parse_target(asked)
    raise InputError(
        f"{shown(asked)} is no target", remedy="Write 'N=7e9,D=4e12', or flpjax.Target('7B', params=7e9, tokens=4e12)"
    )


def targets_from(asked: Asked | Sequence[Asked]) -> tuple[Target, ...]:
    """All that were asked for, one or several.

    Raises:
        InputError: One is no target.
    """
    alone = isinstance(asked, Asked) or not isinstance(asked, Sequence)
    return tuple(map(target_from, [asked] if alone else asked))  # type: ignore[arg-type]


def named_targets(asked: Asked | Sequence[Asked]) -> tuple[Target, ...]:
    """The same, for what tells targets apart by their names.

    Raises:
        InputError: One is no target, or two that differ have one name.
    """
    found = targets_from(asked)
    by_name: dict[str, Target] = {}
    for target in found:
        if by_name.setdefault(target.name, target) != target:
            raise InputError(f"two targets are called '{target.name}'", remedy="Give each a name of its own")
    return found


def targets_of(runs: Table) -> list[Target]:
    """The ends of runs, as targets: where their final values were measured, or where they end if none was."""
    runs = read_runs(runs)
    finals = runs.ends()
    others = [f.name for f in finals.extra_features]

    def known(values: NDArray[np.float64]) -> list[float | None]:
        return [None if np.isnan(v) else float(v) for v in values]

    sizes = zip(known(finals.params), known(finals.tokens), known(finals.flops), strict=True)
    return [
        Target(
            finals.names[r],
            n,
            d,
            c,
            dict(zip(finals.sources, map(float, mix), strict=True)) or None,
            dict(zip(others, map(float, extra), strict=True)) or None,
        )
        for r, (n, d, c), mix, extra in zip(finals.run, sizes, finals.mix, finals.extra, strict=True)
    ]


def number_of(text: str, where: str) -> float:
    """A number, with K, M, B or T for thousands, millions, billions and trillions."""
    match = re.fullmatch(r"([+-]?[0-9.]+(?:e[+-]?[0-9]+)?)([kmbt]?)", text.lower().replace("_", ""))
    try:
        if match is None:
            raise ValueError
        return float(match[1]) * {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}[match[2]]
    except ValueError:
        raise InputError(f"'{text}' is not a number", where=where, remedy="Write 7e9 or 7B") from None
