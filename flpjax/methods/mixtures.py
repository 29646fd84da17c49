"""What a ladder's mixtures, and the upper half of it, can tell a law of mixtures, and what they can't.

A law that bends is fitted to the upper half where only its last slope is wanted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import InputError, count
from flpjax.ladder.table import Floats, Runs
from flpjax.methods.remedies import without_mixtures

SAME = 1e-3  # weights that differ by less are the same mixture
NAMED = 6  # sources or runs that a message names


def check_mixtures(runs: Runs, law: Any, domains: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Refuse mixtures that a law is singular at; warn where there are too few to tell its parameters apart.

    Args:
        runs: The ladder.
        law: The form of stage 1.
        domains: The loss domains to be fitted; () for all.

    Raises:
        InputError: The ladder has no mixtures, or a source has no compute in some run and the law can't have that.
    """
    plain = without_mixtures(runs)
    if not runs.sources:
        raise InputError(
            "there is no column 'mix/<source>'",
            where=runs.source,
            remedy=f"Add the mixture weights of every run, or use a method without mixtures, such as {plain}",
        )
    finals = runs.finals()
    name = type(law).__name__
    if getattr(law, "singular", False):
        own = (
            np.isin(finals.sources, domains or finals.domains)
            if getattr(law, "own_first", False)
            else np.ones(len(finals.sources), bool)
        )
        _refuse_zeros(finals, name, own)
    needed = getattr(law, "mixtures_needed", 1)
    mixtures = distinct(finals.mix)
    if len(mixtures) >= needed and _rank(mixtures) >= min(needed, len(runs.sources)):
        return ()
    if len(runs.sources) == 1:
        return (f"there is one source only, '{runs.sources[0]}': use a method without mixtures, such as {plain}",)
    if len(mixtures) == 1 and needed > 1:
        what = f"all runs have one mixture ({describe(mixtures[0], runs.sources)})"
        why = (
            "domain losses then move together, and their shares in a score, like the exponents of the sources, "
            "can't be told apart (Chen et al. 2024, §6.3: it does worse than FLP)"
        )
    else:
        what = f"{count(len(mixtures), 'mixture')} for {name}, which needs {needed} in general position"
        why = "some of its exponents can't be told apart"
    return (f"{what}: {why}. {_missing(mixtures, runs.sources)}; or use a method without mixtures, such as {plain}",)


def own_first(runs: Runs, domains: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """``(domain, source)`` the sources with each domain's own first.

    Raises:
        InputError: A domain has no source of its name.
    """
    lost = [d for d in domains if d not in runs.sources]
    if lost:
        raise InputError(
            f"loss domain '{lost[0]}' has no source of the same name",
            where=runs.source,
            remedy="BiMix knows each domain by its own source only: rename columns, leave the domain out, or use "
            f"another form (sources: {', '.join(runs.sources[:NAMED])})",
        )
    everyone = range(len(runs.sources))
    return tuple((i, *(j for j in everyone if j != i)) for i in (runs.sources.index(d) for d in domains))


def distinct(mix: Floats) -> Floats:
    """``(mixture, source)`` the different mixtures of rows ``(row, source)``, in the order of their first row."""
    found, count = np.empty_like(mix), 0
    for weights in mix:
        if not (np.abs(found[:count] - weights).max(axis=1, initial=0.0) < SAME).any():
            found[count] = weights
            count += 1
    return found[:count]


def refuse_one_mixture(mixtures: Floats, sources: tuple[str, ...], where: str) -> None:
    """Refuse to say which mixture is best from runs that all have one.

    Args:
        mixtures: ``(mixture, source)`` distinct ones.
        sources: Their names.
        where: The table.

    Raises:
        InputError: There is one mixture.
    """
    if len(mixtures) == 1:
        raise InputError(
            f"all runs have one mixture ({describe(mixtures[0], sources)}): whether another is better they can't tell",
            where=where,
            remedy="Train runs with other mixtures, all of one small size will do",
        )


def describe(weights: NDArray[np.float64], sources: tuple[str, ...]) -> str:
    """``code .3, general .7``: the sources with the largest weights."""
    most = [i for i in np.argsort(-weights, kind="stable")[:NAMED] if weights[i] > 0]
    return ", ".join(f"{sources[i]} {weights[i]:.2g}" for i in most)


def _refuse_zeros(finals: Runs, name: str, read: NDArray[np.bool_]) -> None:
    """Refuse zeros of the sources ``(source,)`` that the law reads."""
    zero = (finals.mix == 0.0) & read[None, :]
    if not zero.any():
        return
    row, source = np.argwhere(zero)[0]
    runs = np.flatnonzero(zero.any(axis=1))
    remedy = (
        f"Give every source a floor ({name}(floor=0.01), a modelling choice; in names of methods '-floor'), leave "
        "those runs out (--exclude), or use a form that is finite there, such as M3"
    )
    raise InputError(
        f"source '{finals.sources[source]}' has no compute, where {name} makes the loss zero or infinite "
        f"({count(len(runs), 'run')} like it)",
        where=f"{finals.source}, run '{finals.names[finals.run[row]]}'",
        remedy=remedy,
    )


def _rank(mixtures: Floats) -> int:
    """Dimension of what the mixtures span."""
    return int(np.linalg.matrix_rank(mixtures, tol=SAME))


def _missing(mixtures: Floats, sources: tuple[str, ...]) -> str:
    """Which mixtures would help."""
    if len(sources) == 2:
        have = np.sort(mixtures[:, 1])
        ends = np.unique(np.r_[max(0.05, have[0] - 0.2), have, min(0.95, have[-1] + 0.2)])
        gaps = np.argsort(np.diff(ends), kind="stable")[::-1][:2]
        middle = sorted({round(float((ends[g] + ends[g + 1]) / 2), 2) for g in gaps})
        return f"Add runs with other ratios, say {' and '.join(f'{sources[1]} {m:g}' for m in middle)}"
    varied = np.ptp(mixtures, axis=0) >= SAME
    if not varied.all():
        still = [s for s, v in zip(sources, varied, strict=True) if not v]
        return f"Add runs that vary {', '.join(still[:NAMED])}" + (" …" if len(still) > NAMED else "")
    free = f"{_rank(mixtures - mixtures[0])} of {len(sources) - 1} directions"
    return f"Add runs that vary sources independently: so far mixtures differ in {free}"


def log_flops_of(runs: Runs) -> NDArray[np.float64]:
    """``(run,)`` log training FLOPs of each run, at its last checkpoint."""
    most = np.zeros(len(runs.names))
    np.maximum.at(most, runs.run, runs.flops)
    return np.log(most)


def upper_half(log_flops: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``(…, run)`` the runs seen whose log FLOPs are in the upper half of the range that was seen.

    Half of the range and no number of decades: whatever a ladder spans, a law is then carried no farther beyond its
    runs, in proportion, than twice what it would be from all of them.

    Args:
        log_flops: ``(run,)``.
        seen: ``(…, run)`` the runs that a fit may see; one at least.
    """
    top = np.where(seen, log_flops, -np.inf).max(axis=-1, keepdims=True)
    bottom = np.where(seen, log_flops, np.inf).min(axis=-1, keepdims=True)
    return np.asarray(seen & (log_flops >= 0.5 * (bottom + top)))
