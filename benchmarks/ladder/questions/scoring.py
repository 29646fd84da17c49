"""Which questions a model got right, from what it says about each byte of each row; pure JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def choice_right(log_probs: jax.Array, answer: jax.Array, correct: jax.Array) -> jax.Array:
    """Whether the right option is the likeliest, by the sum of log-probabilities over the bytes of the answer.

    All options of a question have equally many such bytes, so the mean would say the same. Options that tie share the
    point: ``1/k`` if the right one is among ``k`` best, as if one of them were picked at random. A model that finds
    all equally likely so scores the chance level exactly. NaN is never right.

    Args:
        log_probs: ``(question, option, byte)``: log-probability of each byte of ``tokens`` given those before it in
            its row; whatever it is at the first byte and at padding, it isn't read.
        answer: ``(question, option, byte)``, bool.
        correct: ``(question,)``.

    Returns:
        ``(question,)``, in ``[0, 1]``, in the precision of ``log_probs`` but at least float32.
    """
    dtype = jnp.promote_types(log_probs.dtype, jnp.float32)
    sums = jnp.where(answer, log_probs.astype(dtype), 0.0).sum(axis=-1)
    best = sums == sums.max(axis=-1, keepdims=True)
    among = jnp.take_along_axis(best, correct[:, None], axis=-1)[:, 0]
    return jnp.where(among, 1.0 / jnp.maximum(best.sum(axis=-1), 1), 0.0).astype(dtype)


def exact_right(is_argmax: jax.Array, answer: jax.Array) -> jax.Array:
    """Whether greedy decoding gives the answer: each of its bytes is the model's first choice, given those before it.

    Args:
        is_argmax: ``(question, 1, byte)``, bool. Whether a byte is the model's most likely one. A byte that ties with
            another isn't; ``jnp.argmax`` over 256 logits says so where all are equal, for it takes byte 0, which no
            answer contains.
        answer: ``(question, 1, byte)``, bool.

    Returns:
        ``(question,)``, 0 or 1, float32.
    """
    return jnp.where(answer, is_argmax, True).all(axis=(1, 2)).astype(jnp.float32)


def standard_error(right: Any) -> Any:
    """Binomial standard error ``√(p (1 − p) / n)`` of a score.

    Args:
        right: ``(question,)``, in ``[0, 1]``.

    Returns:
        A number; 0 where all questions are right or all wrong, which says more of the formula than of the score.
    """
    p = right.mean()
    return (p * (1.0 - p) / right.shape[0]) ** 0.5  # of NumPy's arrays as of JAX's
