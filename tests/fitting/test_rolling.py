"""The record of a blend, from those of its members."""

import numpy as np
import pytest

from flpjax.fitting.blending.rolling import RollingErrors, blended

MEMBERS, CELLS, OUTPUTS = 3, 5, 2


@pytest.fixture
def track():
    rng = np.random.default_rng(0)
    error, spread = rng.normal(size=(MEMBERS, CELLS, OUTPUTS)), rng.uniform(0.1, 1.0, (MEMBERS, CELLS, OUTPUTS))
    error[2, 0] = spread[2, 0] = np.nan  # the last member does not forecast the first cell
    error[:, 1, 1] = spread[:, 1, 1] = np.nan  # nobody forecasts one
    noise = rng.uniform(0.1, 1.0, (MEMBERS, OUTPUTS))
    return RollingErrors(error, spread, noise, np.zeros_like(error), np.ones(CELLS), np.arange(CELLS), np.ones(CELLS))


WEIGHT = np.array([[0.5, 0.2], [0.3, 0.8], [0.2, 0.0]])


def test_a_blend_errs_by_the_weighted_mean_of_those_that_forecast(track):
    blend = blended(track, WEIGHT, np.ones(OUTPUTS))
    assert blend.error.shape == (1, CELLS, OUTPUTS)
    np.testing.assert_allclose(blend.error[0, 2:], (WEIGHT[:, None] * track.error[:, 2:]).sum(axis=0))
    first = (0.5 * track.error[0, 0, 0] + 0.3 * track.error[1, 0, 0]) / 0.8
    assert blend.error[0, 0, 0] == pytest.approx(first)
    assert np.isnan(blend.error[0, 1, 1])
    assert np.isnan(blend.spread[0, 1, 1])
    np.testing.assert_allclose(blend.noise[0], (WEIGHT * track.noise).sum(axis=0))


def test_members_lie_apart_by_their_weighted_spread(track):
    single_model_share = np.array([1.0, 0.5])
    blend = blended(track, WEIGHT, single_model_share)
    for o in range(OUTPUTS):
        errors = track.error[:, 3, o]
        mean = WEIGHT[:, o] @ errors
        assert blend.between_model_sd[0, 3, o] == pytest.approx(
            single_model_share[o] * np.sqrt(WEIGHT[:, o] @ (errors - mean) ** 2)
        )
    assert not blended(track, WEIGHT, np.zeros(OUTPUTS)).between_model_sd[0, 2:].any()


def test_one_member_is_its_own_blend(track):
    single_model_share = track._replace(
        **{n: getattr(track, n)[:1] for n in ("error", "spread", "noise", "between_model_sd")}
    )
    blend = blended(single_model_share, np.ones((1, OUTPUTS)), np.ones(OUTPUTS))
    for name in ("error", "spread", "noise", "distance", "run", "train_share"):
        np.testing.assert_allclose(getattr(blend, name), getattr(single_model_share, name))
    assert not np.nan_to_num(blend.between_model_sd).any()
