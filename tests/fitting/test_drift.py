"""Drift: how far forecasts depart with distance, from records simulated with a known drift."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from flpjax.fitting.blending.drift import FREEDOM, GRID, RECENT, Drift, _prior, drift_of
from flpjax.fitting.blending.rolling import RollingErrors
from flpjax.fitting.blending.stacking import covered

LOSS, BOTH = np.array([True]), np.array([True, True, False, False, False])


def record(tau, *, runs=31, each=1, outputs=1, members=1, spread=0.003, noise=0.002, seed=0, told=1.0):
    """Forecasts that err as the model says; ``told`` times the spread and the noise is what a track makes of them."""
    rng = np.random.default_rng(seed)
    run = np.repeat(np.arange(runs), each)
    distance = rng.uniform(0.5, 3.0, len(run))
    shape = (members, len(run), outputs)
    scale = np.sqrt(spread**2 + noise**2 + (tau * distance[:, None]) ** 2)
    error = scale * stats.t(FREEDOM).rvs(shape, random_state=rng)
    seen = np.full(len(run), 0.9)
    wide = np.full(shape, told * spread)
    return RollingErrors(error, wide, np.full((members, outputs), told * noise), np.zeros(shape), distance, run, seen)


def mean_of(drift):
    """exp of the posterior mean of log τ, ``(member, output)``."""
    return np.exp(drift.probability @ np.log(GRID))


@pytest.mark.parametrize("tau", [0.003, 0.02, 0.1])
def test_a_known_drift_is_recovered(tau):
    drift = drift_of(record(tau, runs=203), LOSS)
    assert drift.probability.sum(axis=-1) == pytest.approx(1.0)
    assert mean_of(drift)[0, 0] == pytest.approx(tau, rel=0.25)
    assert drift.stretch[0] in (0.7, 1.0, 1.4)


def test_no_drift_is_little_drift():
    none = drift_of(record(0.0, runs=203), LOSS)
    assert mean_of(none)[0, 0] < 0.001
    assert (none.probability[0, 0] * (GRID > 0.003)).sum() < 0.05


def test_each_output_has_its_own_and_shares_in_the_others():
    tau = np.array([0.01, 0.01, 0.03, 0.03, 0.03])
    track = record(tau, runs=101, outputs=5)
    np.testing.assert_allclose(mean_of(drift_of(track, BOTH))[0], tau, rtol=0.4)
    error = track.error.copy()
    error[:, :, 4] = np.nan  # nothing is known of the last
    lonely = mean_of(drift_of(track._replace(error=error), BOTH))[0]
    assert lonely[4] == pytest.approx(0.03, rel=0.5), "it takes what the others of its kind agree on"


def test_without_a_past_drift_is_what_is_usual_elsewhere():
    track = record(0.01, outputs=5)
    nothing = drift_of(track._replace(error=np.full_like(track.error, np.nan)), BOTH)
    np.testing.assert_allclose(mean_of(nothing)[0], [0.004] * 2 + [0.01] * 3, rtol=0.15)
    assert np.isnan(nothing.held_out).all()
    assert np.isnan(nothing.level).all()


def test_a_run_counts_once_however_often_it_was_forecast():
    track = record(0.02, runs=7)
    wide = {name: np.repeat(getattr(track, name), 5, axis=1) for name in ("error", "spread", "apart")}
    again = track._replace(**wide, **{name: np.repeat(getattr(track, name), 5) for name in ("distance", "run", "seen")})
    once, often = drift_of(track, LOSS), drift_of(again, LOSS)
    np.testing.assert_allclose(often.probability, once.probability, atol=1e-12)
    np.testing.assert_allclose(often.held_out, once.held_out, atol=1e-10)


def test_held_out_scores_and_levels_are_those_of_brute_force():
    track = record(0.02, runs=3, each=2)
    track = track._replace(seen=np.array([0.5, 0.7, 0.6, 0.8, 0.7, 0.9]))
    drift = drift_of(track, LOSS)
    k = drift.stretch[0]
    by_run = np.zeros((3, len(GRID)))
    for r in range(3):
        cells = np.flatnonzero(track.run == r)
        share = track.seen[cells] ** RECENT
        for g, tau in enumerate(GRID):
            sd = np.sqrt((k * 0.003) ** 2 + 0.002**2 + (tau * track.distance[cells]) ** 2)
            by_run[r, g] = np.average(stats.t(FREEDOM, 0, sd).logpdf(track.error[0, cells, 0]), weights=share)
    prior = _prior(by_run[None, :, None], LOSS)[0, 0]
    for r in range(3):
        others = prior + np.delete(by_run, r, axis=0).sum(axis=0)
        others = others - logsumexp(others)
        assert drift.held_out[0, r, 0] == pytest.approx(logsumexp(others + by_run[r]), abs=1e-9)
        for cell in np.flatnonzero(track.run == r):
            sd = np.sqrt((k * 0.003) ** 2 + 0.002**2 + (GRID * track.distance[cell]) ** 2)
            level = np.exp(others) @ stats.t(FREEDOM, 0, sd).cdf(track.error[0, cell, 0])
            assert drift.level[0, cell, 0] == pytest.approx(level, abs=1e-9)


def test_levels_are_uniform_where_the_model_is_right():
    track = record(0.02, runs=307, outputs=1)
    drift = drift_of(track, LOSS)
    assert stats.kstest(drift.level[0, :, 0], "uniform").pvalue > 0.01
    runs, cells, half, most = covered(drift, track.run, track.distance)
    assert (runs, cells) == (307, 307)
    assert half == pytest.approx(0.5, abs=0.08)
    assert most == pytest.approx(0.9, abs=0.05)


def test_levels_of_a_method_whose_spread_is_too_small_are_made_good_by_drift_only_far_away():
    """Planted: errors that no distance explains, and a track that says they are a fifth of what they are."""
    right, planted = (record(0.0, runs=307, spread=0.03, noise=0.02, told=told) for told in (1.0, 0.2))
    near = np.zeros_like(right.distance)  # inside the ladder, where there is no drift to hide behind
    shares = {}
    for name, track in (("right", right), ("planted", planted)):
        drift = drift_of(track._replace(distance=near), LOSS)
        shares[name] = covered(drift, track.run, track.distance)[2:]
    assert shares["right"][1] == pytest.approx(0.9, abs=0.06)
    assert shares["planted"][0] < 0.35
    assert shares["planted"][1] < 0.6


def test_coverage_without_cells_is_unknown():
    none = Drift(np.ones((1, 1, 48)) / 48, np.ones(1), np.full((1, 1, 1), np.nan), np.full((1, 3, 1), np.nan))
    runs, cells, half, most = covered(none, np.zeros(3, int), np.ones(3))
    assert (runs, cells) == (0, 0)
    assert np.isnan([half, most]).all()
