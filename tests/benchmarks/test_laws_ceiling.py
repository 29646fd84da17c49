"""Limits of R² on one size's rows, where the truth is known."""

import numpy as np
import pytest

from benchmarks.laws.ceiling import EXPERTS, LOSS, SIZE, ceiling, forecast_of_size

NOISE, BEYOND = 0.02, 1.3e9
SIZES = np.geomspace(1.6e7, 3.7e8, 5)


def rows(sizes, rng, noise=NOISE, variants=4):
    size, experts = (g.ravel() for g in np.meshgrid(sizes, np.exp2(np.arange(10.0)), indexing="ij"))
    size, experts = np.repeat(size, variants), np.repeat(experts, variants)
    loss = (1.5 + 1.6 * (size / 1.6e7) ** -0.2) * experts**-0.05
    return {SIZE: size, EXPERTS: experts, LOSS: loss * np.exp(noise * rng.standard_normal(len(loss)))}


def test_rows_without_noise_allow_everything():
    rng = np.random.default_rng(0)
    found = ceiling(rows(SIZES, rng, noise=1e-6), rows([BEYOND], rng, noise=1e-6))
    assert found.of_means == pytest.approx(1.0, abs=1e-6)
    assert found.standard_error < 1e-5
    assert found.expected == pytest.approx(found.of_means, abs=1e-6)


def test_the_standard_error_is_how_far_forecasts_scatter():
    truth = np.log(1.5 + 1.6 * (BEYOND / 1.6e7) ** -0.2) - 0.05 * np.log(np.exp2(np.arange(10.0))).mean()
    made = np.array([forecast_of_size(rows(SIZES, np.random.default_rng(seed)), BEYOND) for seed in range(80)])
    off = (made[:, 0] - truth) / np.median(made[:, 1])
    assert np.sqrt(np.mean(off**2)) == pytest.approx(1.0, abs=0.25)
