"""Wrong options that a trigram model finds as likely as the right one: what local statistics know must not decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.ladder.questions.question import OPTIONS

SYMBOLS = 128  # ASCII; all other bytes count as one symbol, the last
BACKOFF = 4.0  # observations that the shorter context is worth
FEWEST = 2 * (OPTIONS - 1)


class Trigrams:
    """Bits of a byte given the two before it: relative frequencies, each order smoothed by the one below.

    Args:
        documents: What is counted.
    """

    def __init__(self, documents: Iterable[bytes]) -> None:
        counts = np.zeros(SYMBOLS**3)
        for document in documents:
            s = _symbols(document)
            if len(s) > 2:
                counts += np.bincount((s[:-2] * SYMBOLS + s[1:-1]) * SYMBOLS + s[2:], minlength=SYMBOLS**3)
        three = counts.reshape(SYMBOLS, SYMBOLS, SYMBOLS)
        two = three.sum(axis=0)
        p = _smooth(two.sum(axis=0), np.full(SYMBOLS, 1.0 / SYMBOLS))
        self._bits = -np.log2(_smooth(three, _smooth(two, p)))

    def bits(self, context: bytes, options: Sequence[bytes]) -> NDArray[np.float64]:
        """Surprise ``(option,)`` of options of one length after a context of at least two bytes."""
        s = np.stack([_symbols(context[-2:] + option) for option in options])
        found: NDArray[np.float64] = self._bits[s[:, :-2], s[:, 1:-1], s[:, 2:]].sum(axis=1)
        return found


def matched(
    right: bytes, candidates: Sequence[bytes], context: bytes, trigrams: Trigrams, rng: np.random.Generator
) -> tuple[bytes, ...] | None:
    """The right option and its neighbours among the candidates when all are ordered by surprise.

    How many neighbours are below, 0 to 3, is drawn: the right one is the most likely of the four one time in four, so
    trigrams are right at the chance level exactly. Were they simply the nearest, the right one would be a middle one,
    and shunning extremes would win. For the same reason it is no question if there aren't three on either side.

    Args:
        right: The right option.
        candidates: Wrong options of the same length, all different.
        context: What comes before.
        trigrams: The judge.
        rng: Draws how many are below.

    Returns:
        Four options, the right one first; None if it is among the extremes.
    """
    if len(candidates) < FEWEST:
        return None
    bits = trigrams.bits(context, [right, *candidates])
    order = np.argsort(bits, kind="stable")
    rank = int(np.flatnonzero(order == 0)[0])
    if not OPTIONS - 1 <= rank <= len(candidates) - (OPTIONS - 1):
        return None
    first = rank - int(rng.integers(OPTIONS))
    wrong = [candidates[i - 1] for i in order[first : first + OPTIONS] if i]
    return right, *wrong


def _symbols(text: bytes) -> NDArray[np.int64]:
    return np.minimum(np.frombuffer(text, np.uint8), SYMBOLS - 1).astype(np.int64)


def _smooth(counts: NDArray[np.float64], lower: NDArray[np.float64]) -> NDArray[np.float64]:
    total = counts.sum(axis=-1, keepdims=True)
    lower = lower.reshape((1,) * (counts.ndim - lower.ndim) + lower.shape)
    smoothed: NDArray[np.float64] = (counts + BACKOFF * lower) / (total + BACKOFF)
    return smoothed
