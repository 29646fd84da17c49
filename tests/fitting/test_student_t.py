"""Draws around an optimum, against the closed form of a linear model with normal noise."""

import numpy as np
import pytest
from scipy import stats

from flpjax.fitting.student_t import (
    covariance_roots,
    even_directions,
    even_levels,
    even_normal,
    mirrored_levels,
    student_t_draws,
)

DRAWS = 20_011


def sample(hessian, freedom, seed=7):
    rng = np.random.default_rng(seed)
    p = len(hessian)
    centre = np.arange(1.0, p + 1)[None, None]
    level = even_levels(DRAWS, rng)
    return student_t_draws(centre, covariance_roots(hessian[None, None]), np.array([freedom]), level, rng)[0, :, 0]


def test_covariance_of_a_linear_model():
    rng = np.random.default_rng(5)
    design, sd = rng.normal(size=(13, 3)), 0.07
    hessian = design.T @ design  # of ½ Σ r²
    drawn = sample(hessian / sd**2, 1e6)
    closed = sd**2 * np.linalg.inv(hessian)
    np.testing.assert_allclose(np.cov(drawn.T), closed, atol=0.04 * closed.diagonal().max())
    np.testing.assert_allclose(drawn.mean(axis=0), [1.0, 2.0, 3.0], atol=0.002)


@pytest.mark.parametrize("freedom", [3.0, 5.0, 30.0])
def test_each_parameter_is_student_s_t(freedom):
    drawn = sample(np.array([[4.0, 0.0], [0.0, 0.25]]), freedom)
    for values, centre, scale in ((drawn[:, 0], 1.0, 0.5), (drawn[:, 1], 2.0, 2.0)):
        assert stats.kstest((values - centre) / scale, stats.t(freedom).cdf).pvalue > 1e-3
        if freedom < 10:
            assert stats.kstest((values - centre) / scale, stats.norm.cdf).pvalue < 1e-3, "the test tells them apart"


def test_all_parameters_of_a_draw_are_stretched_alike():
    drawn = np.abs(sample(np.eye(2), 3.0) - [1.0, 2.0])
    assert stats.spearmanr(*drawn.T).statistic > 0.1
    assert abs(stats.spearmanr(*np.abs(sample(np.eye(2), 1e6) - [1.0, 2.0]).T).statistic) < 0.03


def test_failed_fits_stay_nan():
    hessian = np.stack([np.eye(2), np.full((2, 2), np.nan)])
    root = covariance_roots(hessian)
    assert np.isfinite(root[0]).all()
    assert np.isnan(root[1]).all()
    rng = np.random.default_rng(1)
    centre = np.zeros((3, 2, 2))
    centre[2, 0] = np.nan
    drawn = student_t_draws(centre, np.broadcast_to(root, (3, 2, 2, 2)), np.full(2, 4.0), even_levels(5, rng), rng)
    assert drawn.shape == (3, 5, 2, 2)
    assert np.isnan(drawn[:, :, 1]).all()
    assert np.isnan(drawn[2, :, 0]).all()
    assert np.isfinite(drawn[:2, :, 0]).all()


def test_an_open_direction_is_wide_and_finite():
    root = covariance_roots(np.array([[1.0, 1.0], [1.0, 1.0]]))
    assert np.isfinite(root).all()
    cov = root @ root.T
    assert np.array([1.0, -1.0]) @ cov @ np.array([1.0, -1.0]) > 1e9


def test_even_draws_fill_the_distribution():
    level = even_levels(101, np.random.default_rng(2))
    np.testing.assert_allclose(np.sort(level), (np.arange(101) + 0.5) / 101)
    normal = even_normal(1001, np.random.default_rng(2))
    assert normal.mean() == pytest.approx(0.0, abs=1e-12)
    assert normal.std() == pytest.approx(1.0, abs=0.01)


def test_even_directions_fill_the_space_in_mirrored_pairs():
    """Quantiles along a direction of its own are nearer to the truth than those of chance."""
    even = even_directions(1000, 3, np.random.default_rng(3))
    np.testing.assert_allclose(even[:500], -even[500:])
    assert stats.kstest(even[:, 1], "norm").statistic < 0.01
    quantiles = stats.norm.ppf([0.1, 0.3, 0.7])
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sets = even_directions(1000, 3, rng), rng.standard_normal((1000, 3))
        errors.append([np.square(np.sort(x @ [0.6, 0.0, 0.8])[[100, 300, 700]] - quantiles).mean() for x in sets])
    even_error, chance_error = np.mean(errors, axis=0)
    assert even_error < 0.2 * chance_error
    assert even_directions(7, 2, np.random.default_rng(1)).shape == (7, 2)
    level = mirrored_levels(8, np.random.default_rng(1))
    np.testing.assert_array_equal(level[:4], level[4:])
