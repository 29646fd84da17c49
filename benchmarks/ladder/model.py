"""The model: a pre-norm decoder, rotary, with SwiGLU, over a vocabulary of bytes (Chen et al. 2024, Table 1)."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.ladder.config import Size

VOCABULARY = 256
ROTARY_BASE = 10_000.0
EMBEDDING_SPREAD = 0.02


class Attention(nnx.Module):
    """Causal multi-head attention; heads turn with position (Su et al. 2021)."""

    def __init__(self, size: Size, dtype: Any, rngs: nnx.Rngs):
        self.heads = size.width // size.head_width
        self.into = _matrix(size.width, 3 * size.width, dtype, rngs)
        self.out = _matrix(size.width, size.width, dtype, rngs, scale=0.5 / size.layers)

    def __call__(self, x: jax.Array) -> jax.Array:
        """``(sequence, byte, width)`` to the same."""
        q, k, v = (part.reshape(*x.shape[:-1], self.heads, -1) for part in jnp.split(self.into(x), 3, axis=-1))
        attended = jax.nn.dot_product_attention(
            _turned(q), _turned(k), v, is_causal=True, implementation=_kernel(q.dtype)
        )
        return self.out(attended.reshape(x.shape))


class SwiGLU(nnx.Module):
    """``out(silu(gate x) · up x)`` (Shazeer 2020)."""

    def __init__(self, size: Size, dtype: Any, rngs: nnx.Rngs):
        self.into = _matrix(size.width, 2 * size.ffn, dtype, rngs)
        self.out = _matrix(size.ffn, size.width, dtype, rngs, scale=0.5 / size.layers)

    def __call__(self, x: jax.Array) -> jax.Array:
        """``(sequence, byte, width)`` to the same."""
        gate, up = jnp.split(self.into(x), 2, axis=-1)
        return self.out(nnx.silu(gate) * up)


class Block(nnx.Module):
    """Attention and SwiGLU, each added to what came in."""

    def __init__(self, size: Size, dtype: Any, rngs: nnx.Rngs):
        self.before_attention = nnx.RMSNorm(size.width, dtype=dtype, rngs=rngs)
        self.attention = Attention(size, dtype, rngs)
        self.before_ffn = nnx.RMSNorm(size.width, dtype=dtype, rngs=rngs)
        self.ffn = SwiGLU(size, dtype, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """``(sequence, byte, width)`` to the same."""
        x = x + self.attention(self.before_attention(x))
        return x + self.ffn(self.before_ffn(x))


class Decoder(nnx.Module):
    """Bytes to the logits of the byte that follows each.

    Args:
        size: The shape.
        dtype: Of activations; weights are float32.
        rngs: Where initial weights come from.
    """

    def __init__(self, size: Size, dtype: Any, rngs: nnx.Rngs):
        self.dtype = dtype
        self.embedding = nnx.Linear(
            VOCABULARY,
            size.width,
            use_bias=False,
            dtype=dtype,
            kernel_init=nnx.initializers.normal(EMBEDDING_SPREAD),
            rngs=rngs,
        )
        self.blocks = nnx.List([Block(size, dtype, rngs) for _ in range(size.layers)])
        self.last = nnx.RMSNorm(size.width, dtype=dtype, rngs=rngs)
        self.head = _matrix(size.width, VOCABULARY, dtype, rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """``(sequence, byte)`` integers to ``(sequence, byte, vocabulary)`` logits, float32."""
        # A product, not a look-up: the gradient of a look-up adds a whole batch up in 256 places, one after the other.
        x = self.embedding(jax.nn.one_hot(tokens, VOCABULARY, dtype=self.dtype))
        for block in self.blocks:
            x = block(x)
        return self.head(self.last(x)).astype(jnp.float32)


def log_probs(logits: jax.Array, following: jax.Array) -> jax.Array:
    """``(sequence, byte)`` log-probability, nats, of the bytes that follow.

    Args:
        logits: ``(sequence, byte, vocabulary)``.
        following: ``(sequence, byte)`` the bytes that follow.
    """
    picked = jnp.where(following[..., None] == jnp.arange(VOCABULARY), logits, 0.0).sum(-1)
    return picked - jax.nn.logsumexp(logits, axis=-1)


def _matrix(inputs: int, outputs: int, dtype: Any, rngs: nnx.Rngs, scale: float = 1.0) -> nnx.Linear:
    """A matrix whose outputs have variance ``scale`` at the start; branches add up over layers, so they start small."""
    init = nnx.initializers.variance_scaling(scale, "fan_in", "normal")
    return nnx.Linear(inputs, outputs, use_bias=False, dtype=dtype, kernel_init=init, rngs=rngs)


def _turned(x: jax.Array) -> jax.Array:
    """``(sequence, byte, head, feature)``, the pairs (i, i + half) turned by position times a frequency each."""
    half = x.shape[-1] // 2
    frequency = ROTARY_BASE ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angle = jnp.arange(x.shape[-3], dtype=jnp.float32)[:, None] * frequency
    cos, sin = (f(angle)[:, None, :].astype(x.dtype) for f in (jnp.cos, jnp.sin))
    first, second = x[..., :half], x[..., half:]
    return jnp.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)


def _kernel(dtype: Any) -> Literal["cudnn", "xla"]:
    """XLA's attention is half as fast on a GPU, and the only one on a CPU, and for more than 16 bits."""
    return "cudnn" if jax.default_backend() == "gpu" and jnp.dtype(dtype).itemsize <= 2 else "xla"
