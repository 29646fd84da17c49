"""From two tables to the slots that joint laws are fitted to: finished runs, those of one size and seed as pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flpjax.fitting.comparison.density import Slot
from flpjax.ladder.design import SAME
from flpjax.ladder.table import Floats, Runs

VARY = 0.3  # range of log D/N from which on laws read N and D: below it a loss differs by less than runs scatter
PATH = (0.2, 0.8)  # growth of log N per e-fold of C, which a sweep's own slope is kept within
ROOM = 16  # slots come in multiples, so that tables of like size share a program
SEED = "seed"


class Sizes(NamedTuple):
    """Finished runs of one recipe, logarithms ``(run,)``."""

    flops: Floats
    params: Floats  # NaN in a table without
    tokens: Floats
    seed: Floats  # NaN where there is none


class Frame(NamedTuple):
    """What both recipes are seen in.

    Attributes:
        sizes: Whether laws read N and D.
        log_flops: Log C of the centre.
        log_params: Log N of it.
        log_tokens: Log D of it.
        growth: Of log N per e-fold of C along the path, 1 where laws read C alone.
    """

    sizes: bool
    log_flops: float
    log_params: float
    log_tokens: float
    growth: float


def sizes_of(finals: Runs) -> Sizes:
    """Of final checkpoints, one row a run."""
    features = finals.features
    there = [
        np.log(features[name]) if name in features else np.full(len(finals), np.nan) for name in ("params", "tokens")
    ]
    seed = features.get(SEED, np.full(len(finals), np.nan))
    return Sizes(np.log(finals.flops), *there, np.asarray(seed, float))


def frame_of(recipes: tuple[Sizes, Sizes]) -> Frame:
    """The centre, to which both recipes count alike, and the path through all runs."""
    log_c, log_n, log_d = (
        np.concatenate([getattr(r, name) for r in recipes]) for name in ("flops", "params", "tokens")
    )
    ratio = log_d - log_n
    vary = bool(np.isfinite(ratio).all() and np.ptp(ratio) > VARY)
    centre = [float(np.mean([getattr(r, name).mean() for r in recipes])) for name in ("flops", "params", "tokens")]
    if not vary:
        return Frame(False, *centre, 1.0)
    slope = np.polyfit(log_c - log_c.mean(), log_n, 1)[0] if np.ptp(log_c) > SAME else 0.5
    return Frame(True, *centre, float(np.clip(slope, *PATH)))


def pairs_of(recipes: tuple[Sizes, Sizes]) -> list[tuple[int, int]]:
    """Runs of both recipes that have the same N and D (the same C, in tables without), each in one pair at most.

    Of several, those with the same seed go together, then the nearest.
    """
    first, second = recipes
    whole = all(np.isfinite(r.params).all() and np.isfinite(r.tokens).all() for r in recipes)
    names = ("params", "tokens") if whole else ("flops",)
    apart = np.max([np.abs(getattr(first, n)[:, None] - getattr(second, n)[None]) for n in names], axis=0)
    other_seed = ~(first.seed[:, None] == second.seed[None])
    order = np.lexsort((apart.ravel(), other_seed.ravel()))
    found: list[tuple[int, int]] = []
    for at in order:
        i, j = divmod(int(at), len(second.flops))
        if apart[i, j] < SAME and all(i != a and j != b for a, b in found):
            found.append((i, j))
    return sorted(found)


def slots_of(
    recipes: tuple[Sizes, Sizes], frame: Frame, values: tuple[Floats, Floats], errors: tuple[Floats, Floats]
) -> Slot:
    """Pairs first, then the runs without a partner, then room. Runs whose value is NaN have no part.

    Args:
        recipes: Their sizes.
        frame: That they are seen in.
        values: ``(run,)`` of each, log losses or scores.
        errors: ``(run,)`` known standard errors.
    """
    seen = [np.flatnonzero(np.isfinite(v)) for v in values]
    kept: list[Sizes] = [Sizes(*(leaf[rows] for leaf in r)) for r, rows in zip(recipes, seen, strict=True)]
    pairs = pairs_of((kept[0], kept[1]))
    placed = [[*pair] for pair in pairs]
    placed += [[i, -1] for i in range(len(seen[0])) if i not in {p[0] for p in pairs}]
    placed += [[-1, j] for j in range(len(seen[1])) if j not in {p[1] for p in pairs}]
    count = -(-len(placed) // ROOM) * ROOM
    size, data, value, error, there = (np.zeros((count, 2)) for _ in range(5))
    for s, slot in enumerate(placed):
        for r, row in enumerate(slot):
            if row < 0:
                continue
            of = kept[r]
            size[s, r] = of.params[row] - frame.log_params if frame.sizes else of.flops[row] - frame.log_flops
            data[s, r] = of.tokens[row] - frame.log_tokens if frame.sizes else 0.0
            value[s, r], error[s, r] = values[r][seen[r][row]], errors[r][seen[r][row]]
            there[s, r] = 1.0
    return Slot(size, data, value, error, there)
