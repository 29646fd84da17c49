"""Weights of methods by what each would have forecast."""

import numpy as np
import pytest

from flpjax.fitting.blending.drift import GRID, Drift
from flpjax.fitting.blending.stacking import (
    LEAST,
    N_EFFECTIVE_CHANCE,
    N_EFFECTIVE_SCORE,
    OWN,
    SINGLE_MODEL_SHARE_CHANCE,
    SINGLE_MODEL_SHARE_LOSS,
    SINGLE_MODEL_SHARE_SCORE,
    covered,
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
