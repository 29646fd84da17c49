"""Numbers that fill a distribution evenly, and square roots of covariances."""

import numpy as np
import pytest

from flpjax.fitting.even import covariance_roots, even_levels, even_normal


def test_failed_fits_stay_nan():
    hessian = np.stack([np.eye(2), np.full((2, 2), np.nan)])
    root = covariance_roots(hessian)
    assert np.isfinite(root[0]).all()
    assert np.isnan(root[1]).all()


def test_a_root_times_itself_is_the_covariance():
    design = np.random.default_rng(5).normal(size=(13, 3))
    root = covariance_roots(design.T @ design)
    np.testing.assert_allclose(root @ root.T, np.linalg.inv(design.T @ design), rtol=1e-9)


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
