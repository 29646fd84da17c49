"""What a mixture must keep to: from names to a feasible set, and from the set's limits back to words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.engine.polytope import Conflict, Limit, Polytope, conflict
from flpjax.errors import InputError, did_you_mean

AT = 1e-7  # a weight this near to a bound is at it


class Group(NamedTuple):
    """Sources whose weights together have bounds."""

    sources: tuple[str, ...]
    lower: float = 0.0
    upper: float = 1.0


@dataclass(frozen=True)
class Constraints:
    """What a mixture must keep to, besides weights that sum to 1.

    Attributes:
        bounds: Source → least and greatest weight.
        fixed: Source → its weight.
        available: Source → tokens there are of it. Its weight is then capped so that they are seen ``repeats`` times at
            most in the target's training tokens.
        repeats: How often a token may be seen; up to 4 epochs are worth nearly as much as fresh data (Muennighoff et
            al. 2023).
        groups: Name → sources with bounds on their sum; a source is in one group at most.
        outside: Whether weights may leave the range in which the ladder tried each source.
    """

    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)
    available: Mapping[str, float] = field(default_factory=dict)
    repeats: float = 4.0
    groups: Mapping[str, Group] = field(default_factory=dict)
    outside: bool = False


@dataclass(frozen=True, eq=False)
class Feasible:
    """The mixtures that keep to constraints, and where each limit comes from.

    Attributes:
        sources: ``(source,)`` their names.
        polytope: The set.
        why_lower: ``(source,)`` what each bound from below comes from.
        why_upper: ``(source,)`` what each bound from above comes from.
        groups: ``(group,)`` their names.
    """

    sources: tuple[str, ...]
    polytope: Polytope
    why_lower: tuple[str, ...]
    why_upper: tuple[str, ...]
    groups: tuple[str, ...]

    def binding(self, weights: NDArray[np.float64]) -> tuple[str, ...]:
        """The limits that a mixture is at, in words."""
        lower, upper, group, least, most = (np.asarray(leaf) for leaf in self.polytope)
        found = []
        for i, source in enumerate(self.sources):
            if upper[i] - lower[i] <= AT:
                found.append(f"{source} = {lower[i]:.3g} ({self.why_lower[i]})")
            elif weights[i] <= lower[i] + AT:
                found.append(f"{source} ≥ {lower[i]:.3g} ({self.why_lower[i]})")
            elif weights[i] >= upper[i] - AT:
                found.append(f"{source} ≤ {upper[i]:.3g} ({self.why_upper[i]})")
        for g, name in enumerate(self.groups):
            total = weights[group == g].sum()
            if total <= least[g] + AT:
                found.append(f"{name} together ≥ {least[g]:.3g}")
            elif total >= most[g] - AT:
                found.append(f"{name} together ≤ {most[g]:.3g}")
        return tuple(found)


def feasible(
    constraints: Constraints, sources: tuple[str, ...], tried: NDArray[np.float64], tokens: float | None
) -> Feasible:
    """The set of mixtures that keep to the constraints.

    Args:
        constraints: By name.
        sources: ``(source,)``.
        tried: ``(mixture, source)`` the ladder's mixtures.
        tokens: Training tokens of the target, None if not known.

    Raises:
        InputError: A name is not a source's, a number is no share, or no mixture keeps to all; the message names the
            pair that conflicts.
    """
    _check_names(constraints, sources)
    lower, upper = np.zeros(len(sources)), np.ones(len(sources))
    why_lower, why_upper = ["no less than nothing"] * len(sources), ["all there is"] * len(sources)
    if not constraints.outside:
        lower, upper = tried.min(axis=0), tried.max(axis=0)
        why_lower, why_upper = ["the least tried"] * len(sources), ["the most tried"] * len(sources)
    for source, (low, high) in constraints.bounds.items():
        i = sources.index(source)
        _share(low, f"bounds of '{source}'")
        _share(high, f"bounds of '{source}'")
        lower[i], upper[i], why_lower[i], why_upper[i] = low, high, "your bound", "your bound"
    for source, weight in constraints.fixed.items():
        i = sources.index(source)
        _share(weight, f"fixed weight of '{source}'")
        lower[i] = upper[i] = weight
        why_lower[i] = why_upper[i] = "fixed"
    if constraints.available and tokens is None:
        raise InputError(
            "the target's training tokens are not known, and available tokens can't be counted against them",
            where="available",
            remedy="Give the target's N and D",
        )
    if not 0.0 < constraints.repeats < np.inf:
        raise InputError(f"{constraints.repeats:g} repeats", where="available", remedy="Give a number above 0, say 4")
    for source, there in constraints.available.items():
        i = sources.index(source)
        assert tokens is not None
        if not there >= 0:
            raise InputError(f"{there:g} tokens are no number of tokens", where=f"available, '{source}'")
        cap = constraints.repeats * there / tokens
        if cap < upper[i]:
            upper[i], why_upper[i] = cap, f"{there:.3g} tokens, {constraints.repeats:g} times at most"
    names = tuple(constraints.groups)
    for name in names:
        for bound in (constraints.groups[name].lower, constraints.groups[name].upper):
            _share(bound, f"group '{name}'")
    group = np.full(len(sources), -1, np.int32)
    for g, name in enumerate(names):
        group[[sources.index(s) for s in constraints.groups[name].sources]] = g
    bounds = [np.array([float(getattr(constraints.groups[n], side)) for n in names]) for side in ("lower", "upper")]
    found = Feasible(sources, Polytope(lower, upper, group, *bounds), tuple(why_lower), tuple(why_upper), names)
    clash = conflict(found.polytope)
    if clash is not None:
        raise InputError(_words(clash, found), where="constraints", remedy=_loosen(clash, found))
    return found


def _check_names(constraints: Constraints, sources: Sequence[str]) -> None:
    named = {"bounds": constraints.bounds, "fixed": constraints.fixed, "available": constraints.available}
    seen: dict[str, str] = {}
    for where, mapping in named.items():
        for source in mapping:
            _known(source, sources, where)
    for name, group in constraints.groups.items():
        for source in group.sources:
            _known(source, sources, f"group '{name}'")
            if source in seen:
                raise InputError(
                    f"'{source}' is in the groups '{seen[source]}' and '{name}'",
                    where="groups",
                    remedy="Groups can't share sources: bound the source itself, or split the groups",
                )
            seen[source] = name
    both = set(constraints.bounds) & set(constraints.fixed)
    if both:
        raise InputError(f"'{min(both)}' has bounds and a fixed weight", where="constraints", remedy="Give one of them")


def _known(source: str, sources: Sequence[str], where: str) -> None:
    if source not in sources:
        raise InputError(f"there is no data source '{source}'", where=where, remedy=did_you_mean(source, sources))


def _share(value: float, where: str) -> None:
    if not 0.0 <= value <= 1.0:
        raise InputError(f"{value:g} is no share", where=where, remedy="Give a number from 0 to 1")


def _words(clash: Conflict, found: Feasible) -> str:
    one, other = _limit(clash.one, found), _limit(clash.other, found)
    return (
        f"no mixture keeps to both {one} and {other}: {clash.needs:.4g} is needed where {clash.allows:.4g} is allowed"
    )


def _limit(limit: Limit, found: Feasible) -> str:
    i = limit.index
    words: dict[str, Callable[[], str]] = {
        "lower": lambda: f"'{found.sources[i]}' ≥ {limit.bound:.3g} ({found.why_lower[i]})",
        "upper": lambda: f"'{found.sources[i]}' ≤ {limit.bound:.3g} ({found.why_upper[i]})",
        "group_lower": lambda: f"group '{found.groups[i]}' ≥ {limit.bound:.3g}",
        "group_upper": lambda: f"group '{found.groups[i]}' ≤ {limit.bound:.3g}",
        "members": lambda: f"group '{found.groups[i]}' without sources",
        "total": lambda: "weights that sum to 1",
    }
    return words[limit.kind]()


def _loosen(clash: Conflict, found: Feasible) -> str:
    """What to do: bounds of the ladder's own can be lifted as a whole."""
    why = {"lower": found.why_lower, "upper": found.why_upper}
    ours = [limit for limit in clash[:2] if limit.kind in why and "tried" in why[limit.kind][limit.index]]
    return "Loosen one of them" + (", or allow weights outside those tried (outside=True)" if ours else "")
