"""Evaluation: losses on validation domains and answers to questions, of all models of a size at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from benchmarks.ladder.config import Size
from benchmarks.ladder.corpus.store import DOMAINS
from benchmarks.ladder.model import log_probs
from benchmarks.ladder.questions.question import Questions
from benchmarks.ladder.questions.scoring import choice_right, exact_right
from benchmarks.ladder.training import anatomy

AT_ONCE = 320  # rows of one forward pass, a model


class Exam(NamedTuple):
    """What models are measured on, on the device."""

    windows: jax.Array  # (domain, window, byte + 1) uint8
    questions: tuple[Sheet, ...]


class Sheet(NamedTuple):
    """One task's questions as :class:`Questions` has them."""

    tokens: jax.Array  # (question, option, byte) uint8
    answer: jax.Array  # (question, option, byte) bool
    correct: jax.Array  # (question,)


def exam(text: Mapping[str, NDArray[np.uint8]], questions: Sequence[Questions], windows: int, context: int) -> Exam:
    """Lay out validation text and questions.

    Args:
        text: domain → all its validation bytes.
        questions: The tasks.
        windows: Windows a domain, evenly spaced; fewer if the text is shorter.
        context: Bytes a window.
    """
    most = min(windows, *((len(text[domain]) - 1) // context for domain in DOMAINS))
    laid = [_spaced(text[domain], most, context) for domain in DOMAINS]
    sheets = tuple(Sheet(*map(jnp.asarray, (q.tokens, q.answer, q.correct))) for q in questions)
    return Exam(jnp.asarray(np.stack(laid)), sheets)


def examiner(size: Size, compute: str) -> jax.stages.Wrapped:
    """The compiled program that measures models.

    It takes weights, with a leading model axis, and the exam; it returns ``(model, domain)`` losses, nats per byte,
    and for each task ``(model, question)``, the share of the question that was right.
    """
    graph = anatomy(size, compute)

    def read(weights: Any, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        """``(row, byte)`` log-probabilities of all bytes but the first, and whether each is the likeliest."""

        def one(row: jax.Array) -> tuple[jax.Array, jax.Array]:
            logits = nnx.merge(graph, weights)(row[None, :-1].astype(jnp.int32))[0]
            following = row[1:].astype(jnp.int32)
            return log_probs(logits, following), logits.argmax(-1) == following

        return jax.lax.map(one, rows, batch_size=_divisor(len(rows), AT_ONCE))

    def sit(weights: Any, exam: Exam) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        windows = exam.windows
        logs, _ = read(weights, windows.reshape(-1, windows.shape[-1]))
        losses = -logs.reshape(*windows.shape[:2], -1).mean((1, 2))
        return losses, _marks(exam.questions, lambda rows: read(weights, rows))

    return jax.jit(jax.vmap(sit, in_axes=(0, None)))


def _marks(sheets: Sequence[Sheet], read: Callable[[jax.Array], tuple[jax.Array, jax.Array]]) -> tuple[jax.Array, ...]:
    """``(question,)`` for each task; tasks whose rows are alike are read together: one program less to compile."""
    marks: dict[int, jax.Array] = {}
    for shape in sorted({sheet.tokens.shape[1:] for sheet in sheets}):
        alike = [i for i, sheet in enumerate(sheets) if sheet.tokens.shape[1:] == shape]
        tokens = jnp.concatenate([sheets[i].tokens for i in alike])
        logs, likeliest = (a.reshape(*tokens.shape[:2], -1) for a in read(tokens.reshape(-1, shape[-1])))
        start = 0
        for i in alike:
            part = slice(start, start := start + len(sheets[i].correct))
            answer = sheets[i].answer[..., 1:]
            one_option = shape[0] == 1
            marks[i] = (
                exact_right(likeliest[part], answer)
                if one_option
                else choice_right(logs[part], answer, sheets[i].correct)
            )
    return tuple(marks[i] for i in range(len(sheets)))


def _spaced(text: NDArray[np.uint8], windows: int, context: int) -> NDArray[np.uint8]:
    """``(window, byte + 1)`` windows, evenly spaced."""
    starts = np.linspace(0, len(text) - context - 1, windows).astype(np.int64)
    return text[starts[:, None] + np.arange(context + 1)]


def _divisor(count: int, most: int) -> int:
    """The largest divisor up to ``most``: a rest would be a second program."""
    return max(d for d in range(1, min(count, most) + 1) if count % d == 0)
