"""Wrong options that an n-gram model finds as likely as the right one: what local statistics know must not decide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.ladder.questions.question import OPTIONS

ORDER = 5  # bytes of the longest n-gram
BACKOFF = 1.0  # observations that the shorter context is worth
BITS = 22  # of a key: n-grams whose keys collide are counted together
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits are those of the golden ratio (Knuth 1973, 6.4)
SIDE = OPTIONS - 1  # candidates that must be more likely, and that must be less likely, than the right option

Keys = NDArray[np.int64]


class NGrams:
    """Bits of a byte given the bytes before it: relative frequencies, each order smoothed by the one below.

    Args:
        documents: What is counted.
    """

    def __init__(self, documents: Sequence[bytes]) -> None:
        text = np.frombuffer(b"".join(documents), np.uint8)
        self._counts = [np.bincount(keys, minlength=1 << BITS) for keys in _keys(text)]
        self._total = len(text)

    def without(self, document: bytes) -> Judge:
        """The model of all documents but this one, whose own n-grams would speak for the right option."""
        text = np.frombuffer(document, np.uint8)
        own = [np.unique(keys, return_counts=True) for keys in _keys(text)]
        return Judge(self._counts, own, self._total - len(text))


class Judge:
    """What ``NGrams.without`` gives: counts of all documents, and those of one, which are taken off.

    Args:
        counts: By order, by key.
        own: By order: keys, ascending, and their counts.
        total: Bytes that are counted.
    """

    def __init__(self, counts: list[Keys], own: list[tuple[Keys, Keys]], total: int) -> None:
        self._counts, self._own, self._total = counts, own, total

    def bits(self, context: bytes, options: Sequence[bytes]) -> NDArray[np.float64]:
        """Surprise ``(option,)`` of options of one length, after a context that is longer than an n-gram."""
        before = context[1 - ORDER :]
        text = np.stack([np.frombuffer(before + option, np.uint8) for option in options])
        width = len(options[0])
        p = np.full((len(options), width), 1.0 / 256)
        seen = np.full((len(options), width), float(self._total))  # how often the bytes before a byte were seen
        for order, keys in enumerate(_keys(text)):
            counts = self._count(order, keys)
            p = (counts[:, -width:] + BACKOFF * p) / (seen + BACKOFF)
            seen = counts[:, -width - 1 : -1]
        found: NDArray[np.float64] = -np.log2(p).sum(axis=1)
        return found

    def matched(
        self, right: bytes, candidates: Sequence[bytes], context: bytes, rng: np.random.Generator
    ) -> tuple[bytes, ...] | None:
        """The right option and its neighbours among the candidates when all are ordered by surprise.

        How many neighbours are below, 0 to 3, is drawn: the right one is the most likely of the four one time in
        four, so this model is right at the chance level exactly. Were they simply the nearest, the right one would be
        a middle one, and shunning extremes would win. For the same reason it is no question if there aren't three on
        either side.

        Args:
            right: The right option.
            candidates: Wrong options of the same length, all different.
            context: What comes before.
            rng: Draws how many are below.

        Returns:
            Four options, the right one first; None if it is among the extremes.
        """
        if len(candidates) < 2 * SIDE:
            return None
        order = np.argsort(self.bits(context, [right, *candidates]), kind="stable")
        rank = int(np.flatnonzero(order == 0)[0])
        if not SIDE <= rank <= len(candidates) - SIDE:
            return None
        first = rank - int(rng.integers(OPTIONS))
        wrong = [candidates[i - 1] for i in order[first : first + OPTIONS] if i]
        return right, *wrong

    def _count(self, order: int, keys: Keys) -> NDArray[np.float64]:
        known, times = self._own[order]
        if not len(known):  # a document that is shorter than an n-gram
            return self._counts[order][keys].astype(float)
        at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        own = np.where(known[at] == keys, times[at], 0)
        count: NDArray[np.float64] = (self._counts[order][keys] - own).astype(float)
        return count


def _keys(text: NDArray[np.uint8]) -> list[Keys]:
    """Keys of the n-grams that end at each byte, by order from 1; ``(..., byte)``, an n-gram from its last byte on."""
    rows = text.astype(np.uint64) + np.uint64(1)
    keys, hashed = [], rows * FACTOR
    for order in range(1, ORDER + 1):
        keys.append((hashed >> np.uint64(64 - BITS)).astype(np.int64))
        hashed = (hashed[..., :-1] ^ (hashed[..., :-1] >> np.uint64(29))) * FACTOR + rows[..., order:] * FACTOR
    return keys
