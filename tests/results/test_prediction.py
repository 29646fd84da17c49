"""Noise of measured values is independent; intervals of a bootstrap of very few runs are as wide as Student's t."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from flpjax.methods.method import Prediction
from flpjax.results.forecast import forecast
from flpjax.results.prediction import factor_of, scatter, widened
from flpjax.results.target import Target


class Noisy(SimpleNamespace):
    """As many draws as asked for, with a noise of their own."""

    def __len__(self):
        return len(self.noise.loss)


def noisy_draws(draws, domains, tasks, sd=0.03):
    return Noisy(noise=Prediction(np.full((draws, domains), sd), np.full((draws, tasks), sd)))


def test_noise_of_tasks_is_independent_and_averages_out():
    """Issue 16: tasks 0 and 5 correlated by .64, so that the mean of nine was 35 % too certain in its noise."""
    noise = scatter(noisy_draws(2000, 3, 9))
    every = np.concatenate([noise.loss, noise.score], axis=1)
    assert np.abs(np.corrcoef(every.T) - np.eye(12)).max() < 0.08
    assert np.corrcoef(np.abs(every).T)[np.triu_indices(12, 1)] == pytest.approx(0.0, abs=0.08)
    assert np.asarray(noise.score).mean(axis=1).std() == pytest.approx(0.03 / 3, rel=0.05)
    assert np.corrcoef(every[:-1].T, every[1:].T)[:12, 12:] == pytest.approx(0.0, abs=0.09), "nor along the draws"


@pytest.mark.parametrize("draws", [1, 2, 7, 101, 2000])
def test_noise_is_even_and_the_same_each_time(draws):
    noise, again, fewer = scatter(noisy_draws(draws, 2, 5)), scatter(noisy_draws(draws, 2, 5)), noisy_draws(draws, 2, 3)
    for a, b in zip(noise, again, strict=True):
        np.testing.assert_array_equal(a, b)
        even = 0.03 * stats.norm.ppf((np.arange(draws) + 0.5) / draws)
        np.testing.assert_allclose(np.sort(a, axis=0), np.broadcast_to(even[:, None], a.shape), atol=1e-12)
    np.testing.assert_array_equal(scatter(fewer).score, noise.score[:, :3])
    assert scatter(noisy_draws(draws, 0, 3)).loss.shape == (draws, 0)


@pytest.mark.parametrize(("runs", "factor"), [(2, 3.84), (3, 3.84), (4, 1.78), (5, 1.0), (11, 1.0)])
def test_the_factor_is_that_of_the_two_laws(booted, runs, factor):
    """6.314 and 2.920 are Student's 95 % points of one and two degrees of freedom, 1.645 the normal one."""
    few = replace(booted, ladder=replace(booted.ladder, runs=runs))
    assert factor_of(few) == pytest.approx(factor, abs=0.005)
    assert factor_of(replace(few, kind="point")) == 1.0


def test_three_runs_are_wider_and_it_is_told(booted):
    target = [Target("big", params=1e10, tokens=1e12)]
    few = forecast(replace(booted, ladder=replace(booted.ladder, runs=3)), target)
    many = forecast(booted, target)
    for name, value in many.loss[0].items():
        wider = np.log(few.loss[0][name].upper / few.loss[0][name].median)
        assert wider == pytest.approx(3.84 * np.log(value.upper / value.median), rel=0.01)
        assert few.loss[0][name].median == pytest.approx(value.median)
    assert any(w.startswith("3 runs only: intervals are 3.8 × as wide as the fits'") for w in few.warnings)
    assert not any("Student" in w for w in many.warnings)


def test_what_no_draw_knows_stays_unknown(booted):
    loss = np.full((7, 1, 2), np.nan)
    loss[:, :, 0] = np.linspace(2.0, 2.6, 7)[:, None]
    few = replace(booted, ladder=replace(booted.ladder, runs=4))
    wide, score, _ = widened(few, loss, np.empty((7, 1, 0)))
    assert np.isnan(wide[:, :, 1]).all()
    assert wide[:, 0, 0].min() < 2.0 < 2.6 < wide[:, 0, 0].max()
    assert score.shape == (7, 1, 0)
