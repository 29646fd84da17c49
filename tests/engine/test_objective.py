"""The robust loss against scipy's, the elimination against numpy's, and what a status says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from flpjax.elimination import solve_definite
from flpjax.engine.moments import reweight, rho
from flpjax.engine.settings import Settings, Status

RESIDUALS = np.concatenate([np.linspace(-0.37, 0.37, 41), [-1e6, -1e-9, 0.0, 1e-9, 1e6]])


@pytest.mark.parametrize("corner", [1e-3, 0.1, 5.0])
def test_rho_is_scipy_s_huber(corner):
    np.testing.assert_allclose(rho(jnp.asarray(RESIDUALS), corner), special.huber(corner, RESIDUALS), rtol=1e-12)


def test_rho_without_a_corner_is_half_the_square():
    np.testing.assert_array_equal(rho(jnp.asarray(RESIDUALS), None), 0.5 * RESIDUALS**2)


@pytest.mark.parametrize("corner", [None, 1e-3, 0.1])
def test_reweighted_squares_have_the_gradient_of_rho(corner):
    r = jnp.asarray(RESIDUALS)
    gradient = jax.vmap(jax.grad(lambda one: rho(one, corner)))(r)
    np.testing.assert_allclose(reweight(r, corner) * r, gradient, rtol=1e-12)


@pytest.mark.parametrize("p", [1, 2, 5, 7])
def test_solve_definite_is_numpy_s(p):
    rng = np.random.default_rng(p)
    root = rng.normal(size=(p + 3, p))
    unit = 10.0 ** rng.uniform(-5, 5, p)  # of the parameters: pivots are shares and don't know it
    matrix, rhs = root.T @ root, rng.normal(size=p)
    correct, shares = np.linalg.solve(matrix, rhs), np.diag(np.linalg.cholesky(matrix)) ** 2 / np.diag(matrix)
    solution, pivot = solve_definite(jnp.asarray(matrix * np.outer(unit, unit)), jnp.asarray(rhs * unit), 1e-14)
    np.testing.assert_allclose(solution * unit, correct, rtol=1e-9)
    np.testing.assert_allclose(pivot, shares.min(), rtol=1e-9)


def test_solve_definite_floors_its_pivots():
    solution, pivot = solve_definite(jnp.ones((3, 3)), jnp.asarray([1.0, 2.0, 3.0]), 1e-12)
    assert pivot == 0.0
    assert np.isfinite(solution).all()


def test_a_parameter_without_curvature_does_not_move():
    matrix = jnp.asarray([[4.0, 0.0, 2.0], [0.0, 0.0, 0.0], [2.0, 0.0, 5.0]])
    solution, pivot = solve_definite(matrix, jnp.asarray([8.0, 1.0, 8.0]), 1e-12)
    assert pivot == 0.0
    np.testing.assert_allclose(solution, [1.5, 0.0, 1.0], rtol=1e-12)


def test_only_an_optimum_or_a_recipe_s_end_is_usable():
    assert [s for s in Status if s.usable] == [Status.CONVERGED, Status.SINGULAR, Status.TRAINED]
    assert len({s.advice for s in Status}) == len(Status)
    assert "raise Settings.steps" in Status.STEP_LIMIT.advice


def test_tolerance_follows_the_precision():
    assert Settings().share(jnp.float64) == pytest.approx(1.1e-14, rel=0.01)
    assert Settings().share(jnp.float32) == pytest.approx(6.0e-6, rel=0.01)
    assert Settings(tolerance=1e-5).share(jnp.float64) == 1e-5
    assert hash(Settings(7)) == hash(Settings(7))
