"""From two tables to the slots that joint laws are fitted to: finished runs, those of one size and seed as pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flpjax.fitting.comparison.density import Slot
from flpjax.ladder.design import SAME
from flpjax.ladder.table import Floats, Runs
from flpjax.laws.compared import Size

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

    def place(self, runs: Sizes) -> Size:
        """Where runs lie about the centre, as laws read it."""
        if self.sizes:
            return Size(runs.params - self.log_params, runs.tokens - self.log_tokens)
        return Size(runs.flops - self.log_flops, 0.0 * runs.flops)


def sizes_of(finals: Runs) -> Sizes:
    """Of final checkpoints, one row a run."""
    features = finals.features
    none = np.full(len(finals), np.nan)
    params, tokens = (np.log(features[name]) if name in features else none for name in ("params", "tokens"))
    return Sizes(np.log(finals.flops), params, tokens, np.asarray(features.get(SEED, none), float))


def frame_of(recipes: tuple[Sizes, Sizes]) -> Frame:
    """The centre, to which both recipes count alike, and the path through all runs."""
    log_c, log_n, log_d = (
        np.concatenate([getattr(r, name) for r in recipes]) for name in ("flops", "params", "tokens")
    )
    ratio = log_d - log_n
    vary = bool(np.isfinite(ratio).all() and np.ptp(ratio) > VARY)
    c, n, d = (float(np.mean([getattr(r, name).mean() for r in recipes])) for name in ("flops", "params", "tokens"))
    if not vary:
        return Frame(False, c, n, d, 1.0)
    slope = np.polyfit(log_c - log_c.mean(), log_n, 1)[0] if np.ptp(log_c) > SAME else 0.5
    return Frame(True, c, n, d, float(np.clip(slope, *PATH)))


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
    recipes: tuple[Sizes, Sizes],
    places: tuple[Size, Size],
    values: tuple[Floats, Floats],
    errors: tuple[Floats, Floats],
) -> Slot:
    """Pairs first, then the runs without a partner, then padding. Runs whose value is NaN have no part.

    Args:
        recipes: What makes pairs.
        places: ``(run,)`` of each, where laws see them.
        values: ``(run,)`` of each, log losses or scores.
        errors: ``(run,)`` of each, known standard errors.
    """
    seen = [np.flatnonzero(np.isfinite(v)) for v in values]
    kept = [Sizes(*(leaf[rows] for leaf in r)) for r, rows in zip(recipes, seen, strict=True)]
    pairs = pairs_of((kept[0], kept[1]))
    slots: list[tuple[int, int]] = [*pairs]
    slots += [(i, -1) for i in range(len(seen[0])) if i not in {p[0] for p in pairs}]
    slots += [(-1, j) for j in range(len(seen[1])) if j not in {p[1] for p in pairs}]
    size, data, value, error, there = (np.zeros((-(-len(slots) // ROOM) * ROOM, 2)) for _ in range(5))
    for s, slot in enumerate(slots):
        for r, number in enumerate(slot):
            if number < 0:
                continue
            row = seen[r][number]
            size[s, r], data[s, r] = places[r].size[row], places[r].data[row]
            value[s, r], error[s, r], there[s, r] = values[r][row], errors[r][row], 1.0
    return Slot(size, data, value, error, there)
