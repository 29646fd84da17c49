"""Weights of methods by what each would have forecast, and drift: how far forecasts depart with distance."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from flpjax.fitting.blending.rolling import RollingErrors
from flpjax.fitting.blending.stacking import (
    FREEDOM,
    GRID,
    LEAST,
    N_EFFECTIVE_CHANCE,
    N_EFFECTIVE_SCORE,
    OWN,
    RECENT,
    SINGLE_MODEL_SHARE_CHANCE,
    SINGLE_MODEL_SHARE_LOSS,
    SINGLE_MODEL_SHARE_SCORE,
    Drift,
    _prior,
    covered,
    drift_of,
    single_model_share,
    stack,
)

RUNS = 11
IS_LOSS = np.array([True, False, False])
EMERGED = np.array([True, True, False])


def drift_with(score):
    """Held-out log scores ``(member, run, output)``."""
    members, _, outputs = score.shape
    return Drift(
        np.full((members, outputs, len(GRID)), 1 / len(GRID)), np.ones(members), score, np.full(score.shape, 0.5)
    )


def even(*by_member):
    """The same score for every run and output."""
    return np.broadcast_to(np.array(by_member, float)[:, None, None], (len(by_member), RUNS, 3)).copy()


ALL = np.ones((3, 3), bool)
EQUAL = np.ones(3)


def test_the_better_member_gets_the_weight():
    weight = stack(drift_with(even(2.0, 1.5, 1.0)), IS_LOSS, EMERGED, ALL, EQUAL)
    np.testing.assert_allclose(weight.sum(axis=0), 1.0)
    assert (np.diff(weight, axis=0) < 0).all()
    equal = stack(drift_with(even(1.0, 1.0, 1.0)), IS_LOSS, EMERGED, ALL, EQUAL)
    np.testing.assert_allclose(equal, 1 / 3)


def test_weights_in_closed_form():
    weight = stack(drift_with(even(1.3, 1.0, 1.0)), IS_LOSS, EMERGED, ALL, EQUAL)
    for output, sharp in ((1, N_EFFECTIVE_SCORE), (2, N_EFFECTIVE_CHANCE)):  # pooled and own record are the same here
        odds = np.exp(sharp * RUNS * 0.3)
        assert weight[0, output] / weight[1, output] == pytest.approx(odds)
    assert weight[0, 2] < weight[0, 1], "a record near chance says little"


def test_an_output_s_own_record_counts_most():
    score = even(1.0, 1.0, 1.0)
    score[0, :, 1] += 0.4
    weight = stack(drift_with(score), IS_LOSS, np.ones(3, bool), ALL, EQUAL)
    assert weight[0, 0] == pytest.approx(1 / 3), "losses don't hear of scores"
    assert weight[0, 1] > weight[0, 2] > 1 / 3
    odds = np.exp(N_EFFECTIVE_SCORE * RUNS * (1 - OWN) * 0.2)  # the mean lag of the others over both scores is 0.2
    assert weight[0, 2] / weight[1, 2] == pytest.approx(odds)


def test_a_missing_forecast_counts_as_the_worst():
    score = even(1.0, 1.0, 0.5)
    some = score.copy()
    some[1, :4] = np.nan
    worse = score.copy()
    worse[1, :4] = 0.5
    np.testing.assert_allclose(
        stack(drift_with(some), IS_LOSS, EMERGED, ALL, EQUAL), stack(drift_with(worse), IS_LOSS, EMERGED, ALL, EQUAL)
    )
    weight = stack(drift_with(some), IS_LOSS, EMERGED, ALL, EQUAL)
    assert (weight[0] > weight[1]).all()


def test_what_is_not_available_has_no_say():
    available = ALL.copy()
    available[0, 1] = False
    available[:, 2] = False
    weight = stack(drift_with(even(9.0, 1.0, 1.0)), IS_LOSS, EMERGED, available, EQUAL)
    assert weight[0, 1] == 0.0
    np.testing.assert_allclose(weight[1:, 1], 0.5)
    np.testing.assert_array_equal(weight[:, 2], 0.0)
    assert weight[0, 0] > 0.9


def test_little_weight_is_none():
    weight = stack(drift_with(even(3.0, 0.0, 2.9)), IS_LOSS, EMERGED, ALL, EQUAL)
    assert weight[1, 1] == 0.0
    assert (weight[weight > 0] >= LEAST).all()
    np.testing.assert_allclose(weight.sum(axis=0), 1.0)


def test_without_a_past_all_are_alike():
    weight = stack(drift_with(np.full((3, RUNS, 3), np.nan)), IS_LOSS, EMERGED, ALL, EQUAL)
    np.testing.assert_allclose(weight, 1 / 3)
    nobody = stack(drift_with(np.full((3, 0, 3), np.nan)), IS_LOSS, EMERGED, ALL, EQUAL)
    np.testing.assert_allclose(nobody, 1 / 3)


def test_coverage_counts_the_cells_that_were_forecast():
    level = np.full((1, 4, 3), 0.9)
    level[0, 1:, 0] = 0.5
    level[0, 0, 2] = np.nan
    drift = drift_with(even(1.0))._replace(level=level)
    runs, cells, half, most = covered(drift, np.array([0, 1, 1, 2]), np.array([1.0, 0.0, 1.0, 1.0]))
    assert (runs, cells) == (3, 11)
    assert half == pytest.approx(3 / 11)
    assert most == pytest.approx(1.0)
    assert covered(drift, np.array([0, 1, 1, 2]), np.zeros(4))[0] == 0, "no run was forecast from smaller ones"


def test_draws_are_one_method_near_chance_and_half_the_mean_where_a_task_has_emerged():
    np.testing.assert_allclose(
        single_model_share(IS_LOSS, EMERGED),
        [SINGLE_MODEL_SHARE_LOSS, SINGLE_MODEL_SHARE_SCORE, SINGLE_MODEL_SHARE_CHANCE],
    )


def test_weights_before_the_ladder_speaks_are_odds():
    before = np.array([0.25, 1.0, 1.0])
    silent = stack(drift_with(np.full((3, RUNS, 3), np.nan)), IS_LOSS, EMERGED, ALL, before)
    np.testing.assert_allclose(silent, np.repeat(before[:, None] / before.sum(), 3, axis=1))
    told = stack(drift_with(even(1.3, 1.0, 1.0)), IS_LOSS, EMERGED, ALL, before)
    assert told[0, 1] / told[1, 1] == pytest.approx(0.25 * np.exp(N_EFFECTIVE_SCORE * RUNS * 0.3))


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
    assert drift.spread_scale[0] in (0.7, 1.0, 1.4)


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
    wide = {name: np.repeat(getattr(track, name), 5, axis=1) for name in ("error", "spread", "between_model_sd")}
    again = track._replace(
        **wide, **{name: np.repeat(getattr(track, name), 5) for name in ("distance", "run", "train_share")}
    )
    once, often = drift_of(track, LOSS), drift_of(again, LOSS)
    np.testing.assert_allclose(often.probability, once.probability, atol=1e-12)
    np.testing.assert_allclose(often.held_out, once.held_out, atol=1e-10)


def test_held_out_scores_and_levels_are_those_of_brute_force():
    track = record(0.02, runs=3, each=2)
    track = track._replace(train_share=np.array([0.5, 0.7, 0.6, 0.8, 0.7, 0.9]))
    drift = drift_of(track, LOSS)
    k = drift.spread_scale[0]
    by_run = np.zeros((3, len(GRID)))
    for r in range(3):
        cells = np.flatnonzero(track.run == r)
        share = track.train_share[cells] ** RECENT
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
