"""A known law, its optimum in closed form, and runs of equal cost from it."""

import numpy as np

from flpjax.ladder.build import build_runs

A, B, E, ALPHA, BETA = 406.4, 410.7, 1.69, 0.34, 0.28  # of Hoffmann et al. 2022


def optimum(flops):
    """N* of ``E + A/N^α + B/D^β`` at ``6·N·D = C``: ``G·(C/6)^{β/(α+β)}`` (Hoffmann et al. 2022, eq. 4)."""
    scale = (ALPHA * A / (BETA * B)) ** (1.0 / (ALPHA + BETA))
    return scale * (flops / 6.0) ** (BETA / (ALPHA + BETA))


def law(params, tokens):
    return E + A * params**-ALPHA + B * tokens**-BETA


def isoflops(noise, budgets=(1e18, 3e18, 1e19, 3e19, 1e20), reach=16.0, shift=1.0, sizes=9, seed=0):
    """Runs at ``sizes`` N from N*/reach to N*·reach, times ``shift``, at every budget."""
    rng = np.random.default_rng(seed)
    params = np.concatenate([optimum(c) * shift * np.geomspace(1.0 / reach, reach, sizes) for c in budgets])
    tokens = np.repeat(budgets, sizes) / 6.0 / params
    loss = law(params, tokens) * np.exp(noise * rng.standard_normal(len(params)))
    return build_runs(table(params, tokens, loss))


def table(params, tokens, loss):
    names = np.array([f"run {i}" for i in range(len(params))], object)
    return {"run": names, "params": params, "tokens": tokens, "loss/web": loss}
