"""Whether chains of one quantity have mixed: split R-hat and effective sample size, as parts of a compiled program."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax


def split_rhat(values: Array) -> Array:
    """R̂ of half-chains (Gelman et al. 2013, section 11.4) of ``(chain, draw, …)``; NaN of what does not vary.

    Args:
        values: An even number of draws a chain.
    """
    chains, draws = values.shape[:2]
    half = draws // 2
    halves = values[:, : 2 * half].reshape(2 * chains, half, *values.shape[2:])
    within = jnp.var(halves, axis=1, ddof=1).mean(axis=0)
    between = jnp.var(halves.mean(axis=1), axis=0, ddof=1)
    return jnp.sqrt((half - 1) / half + between / within)


def effective_size(values: Array) -> Array:
    """How many independent draws ``(chain, draw, …)`` are worth, by Geyer's initial monotone sequence (Stan's rule)."""
    chains, draws = values.shape[:2]
    centred = values - values.mean(axis=1, keepdims=True)
    spectrum = jnp.fft.rfft(centred, 2 * draws, axis=1)
    lagged = jnp.fft.irfft(jnp.abs(spectrum) ** 2, 2 * draws, axis=1)[:, :draws] / draws
    within = lagged[:, 0].mean(axis=0) * draws / (draws - 1)
    between = jnp.var(values.mean(axis=1), axis=0, ddof=1) if chains > 1 else jnp.zeros_like(within)
    total = within * (draws - 1) / draws + between
    kept = 1.0 - (within[None] - lagged.mean(axis=0)) / total[None]  # autocorrelation by lag, of all chains
    kept = kept.at[0].set(1.0)[: draws - draws % 2]
    pairs = kept[0::2] + kept[1::2]
    positive = lax.cummin((pairs > 0).astype(values.dtype), axis=0)
    monotone = lax.cummin(pairs, axis=0)
    time = 2.0 * jnp.sum(positive * jnp.maximum(monotone, 0.0), axis=0) - 1.0
    return chains * draws / jnp.maximum(time, 1.0 / jnp.log10(float(chains * draws)))
