"""What a question is, before and after it is laid out as rows of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flpjax.errors import count as counted

OPTIONS = 4
PAD = 0


class Item(NamedTuple):
    """One question as it is found in a document."""

    context: bytes  # what is read before the answer
    options: tuple[bytes, ...]  # the right one first; all of one length


@dataclass(frozen=True, eq=False)
class Questions:
    """One task.

    Attributes:
        task: Its name.
        chance: The score of a model that knows nothing: .25 of four options, 0 for exact match.
        tokens: ``(question, option, byte)``, uint8. Context, then answer, then zeros. The context is cut on its left.
        answer: ``(question, option, byte)``. The bytes of the answer, which alone are scored. All options of one
            question have the same number of them, at the same places. The first byte of a row is never one of them.
        correct: ``(question,)``, int64. The right option; 0 for exact match.
        asked: How many questions were asked for.
    """

    task: str
    chance: float
    tokens: NDArray[np.uint8]
    answer: NDArray[np.bool_]
    correct: NDArray[np.int64]
    asked: int

    def __len__(self) -> int:
        return len(self.correct)

    @property
    def note(self) -> str:
        """What a reader must know: that the text held fewer questions than were asked for. Else empty."""
        if len(self) >= self.asked:
            return ""
        return f"{self.task}: {counted(len(self), 'question')}, {self.asked:,} were asked for: the text holds no more"

    def text(self, question: int) -> tuple[bytes, tuple[bytes, ...]]:
        """Context and options of one question, to be looked at."""
        tokens, answer = self.tokens[question], self.answer[question]
        first = int(answer[0].argmax())
        return tokens[0, :first].tobytes(), tuple(t[a].tobytes() for t, a in zip(tokens, answer, strict=True))


def lay_out(
    items: Sequence[Item], rng: np.random.Generator, *, task: str, chance: float, length: int, asked: int
) -> Questions:
    """Rows of bytes, the options of each question in random order, each place right equally often.

    Args:
        items: At least one.
        rng: Of the order.
        task: Name of the task.
        chance: Its chance level.
        length: Bytes a row.
        asked: How many questions were wanted.

    Returns:
        As many questions as items.
    """
    options = len(items[0].options)
    # Balanced, so that a model that always picks the same place is right at the chance level exactly.
    correct = rng.permutation(np.arange(len(items)) % options)
    tokens = np.full((len(items), options, length), PAD, np.uint8)
    answer = np.zeros((len(items), options, length), bool)
    for q, item in enumerate(items):
        right, *wrong = item.options
        ordered = [wrong[i] for i in rng.permutation(len(wrong))]
        ordered.insert(int(correct[q]), right)
        context = item.context[-(length - len(right)) :]
        stop = len(context) + len(right)
        answer[q, :, len(context) : stop] = True
        for o, option in enumerate(ordered):
            tokens[q, o, :stop] = np.frombuffer(context + option, np.uint8)
    return Questions(task, chance, tokens, answer, correct.astype(np.int64), asked)
