"""The solver against scipy, closed laws and problems whose optima are known; every way to end is reached."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

from flpjax.engine.batch import solve
from flpjax.engine.moments import Anchor
from flpjax.engine.settings import Settings, Status
from flpjax.errors import InputError, PrecisionError
from flpjax.laws.law import size
from flpjax.laws.residual import Residual
from tests.engine.ladders import FORMS, PROBLEMS, ROWS, robust_problems, starts_around

STARTS = 17


@pytest.mark.parametrize(
    ("name", "corner"),
    [("Chinchilla", 0.004), ("PowerLawE", 0.004), ("Sigmoid", 0.004), ("PowerLaw", None), ("Exponential", None)],
)
def test_no_worse_than_scipy(name, corner):
    law, truth, space = FORMS[name]
    rng = np.random.default_rng(len(name))
    data = robust_problems(law, truth, space, rng)
    weight, residual = jnp.ones((PROBLEMS, ROWS)), Residual(law, space, huber=corner)
    starts = starts_around(law, truth, STARTS, rng)
    found = solve(residual, data, weight, jnp.ones((1, ROWS)), starts, huber=corner)
    assert found.vector.shape == (1, PROBLEMS, size(law))

    plain = jax.jit(jax.vmap(residual, (None, 0)))
    slope = jax.jit(jax.jacfwd(jax.vmap(residual, (None, 0))))
    loss = {"loss": "linear"} if corner is None else {"loss": "huber", "f_scale": corner}
    for problem in range(PROBLEMS):
        own = jax.tree.map(lambda leaf, problem=problem: leaf[problem], data)
        ours, value = found.vector[0, problem], found.value[0, problem]
        r = np.asarray(plain(ours, own))
        by_hand = 0.5 * np.sum(r**2) if corner is None else special.huber(corner, r).sum()
        np.testing.assert_allclose(value, by_hand, rtol=1e-12)
        theirs = [  # scipy's cost is ½ f_scale² Σ rho((r / f_scale)²): the same number as ours
            optimize.least_squares(
                lambda v, own=own: np.asarray(plain(v, own)),
                first,
                jac=lambda v, own=own: np.asarray(slope(v, own)),
                x_scale="jac",
                ftol=1e-15,
                xtol=1e-15,
                gtol=1e-15,
                max_nfev=400,
                **loss,
            ).cost
            for first in (ours, *starts[problem, :2])
        ]
        assert value <= min(theirs) * (1 + 1e-9)
        assert theirs[0] == pytest.approx(value, rel=1e-9)  # and our optimum is one of theirs


# ------------------------------------------------------------------------------------------- closed laws


def line_residual(vector, row):
    columns, y = row
    return columns @ vector - y


def line_problems():
    """Two problems of 31 rows and 3 columns in very different units, and weights."""
    rng = np.random.default_rng(8)
    columns = rng.normal(size=(2, 31, 3)) * np.array([1.0, 30.0, 0.1])
    return columns, rng.normal(size=(2, 31)), rng.uniform(0.2, 3.0, (2, 31))


def test_anchored_line_is_ridge_regression():
    columns, y, weight = line_problems()
    centre, precision = np.array([0.3, -1.0, 2.0]), np.array([2.0, 1e3, 1e-3])
    starts = np.random.default_rng(1).normal(size=(2, 5, 3))
    data, rows = (jnp.asarray(columns), jnp.asarray(y)), jnp.ones((1, 31))
    anchor = Anchor(jnp.asarray(centre)[None, :], jnp.asarray(precision)[None, :])
    found = solve(line_residual, data, jnp.asarray(weight), rows, starts, anchor=anchor)
    assert np.all(found.status == Status.CONVERGED)
    assert np.all(found.agree == 1.0)
    for i, (X, t, w) in enumerate(zip(columns, y, weight, strict=True)):
        hessian = X.T @ (w[:, None] * X) + np.diag(precision)
        ridge = np.linalg.solve(hessian, X.T @ (w * t) + precision * centre)
        off = found.vector[0, i] - ridge
        assert np.sqrt(off @ hessian @ off) < 1e-6  # standard errors: the solver's tolerance is on the objective
        value = 0.5 * np.sum(w * (X @ ridge - t) ** 2) + 0.5 * np.sum(precision * (ridge - centre) ** 2)
        np.testing.assert_allclose(found.value[0, i], value, rtol=1e-13)
        scale = np.sqrt(np.diag(hessian))
        np.testing.assert_allclose(found.condition[0, i], np.linalg.cond(hessian / np.outer(scale, scale)), rtol=1e-9)


def test_anchor_alone_gives_its_centre():
    """With no row at all, the most probable parameters are the prior's."""
    columns, y, _ = line_problems()
    anchor = Anchor(jnp.asarray([[0.3, -1.0, 2.0]]), jnp.full((1, 3), 3.0))
    data, nothing = (jnp.asarray(columns), jnp.asarray(y)), jnp.zeros((2, 31))
    found = solve(line_residual, data, nothing, jnp.ones((1, 31)), np.ones((2, 2, 3)), anchor=anchor)
    assert np.all(found.status == Status.CONVERGED)
    np.testing.assert_allclose(found.vector[0], [[0.3, -1.0, 2.0]] * 2, atol=1e-7)


def test_every_draw_has_a_pull_of_its_own():
    columns, y, _ = line_problems()
    centres = np.random.default_rng(5).normal(size=(7, 3))
    anchor = Anchor(jnp.asarray(centres), jnp.full((7, 3), 2.0))
    data, nothing = (jnp.asarray(columns), jnp.asarray(y)), jnp.zeros((2, 31))
    found = solve(line_residual, data, nothing, np.ones((7, 31)), np.ones((2, 1, 3)), anchor=anchor, draws=[1, 4, 6])
    for i, draw in enumerate((1, 4, 6)):
        np.testing.assert_allclose(found.vector[i], [centres[draw]] * 2, atol=1e-7)


def test_median_by_huber():
    """With a tiny corner, the robust level of an odd number of rows is their median."""
    y = np.random.default_rng(3).standard_cauchy((1, 37))
    data = (jnp.ones((1, 37, 1)), jnp.asarray(y))
    starts = np.zeros((1, 1, 1))
    found = solve(line_residual, data, jnp.ones((1, 37)), jnp.ones((1, 37)), starts, huber=1e-4)
    assert found.vector.item() == pytest.approx(np.median(y), abs=2e-4)


# ------------------------------------------------------------------------------------- every way to end


def two_wells(vector, row):
    """``½[(v² − 1)² + c²(v − 1)² + 1]``: optima at 1, value ½, and at ``−(1 + √(1 − 2c²))/2``, higher."""
    v = vector[0]
    well, pull, level = row
    return well * (v**2 - 1.0) + pull * (v - 1.0) + level


C = 0.5
UPPER = -(1.0 + np.sqrt(1.0 - 2.0 * C**2)) / 2.0
WELLS = jnp.diag(jnp.array([1.0, C, 1.0]))[None]  # a row for each of the three squares
UPPER_VALUE = 0.5 * ((UPPER**2 - 1.0) ** 2 + C**2 * (UPPER - 1.0) ** 2 + 1.0)


def run(residual, starts, data=None, rows=3, **options):
    """One problem, one draw."""
    data = tuple(jnp.moveaxis(WELLS, 2, 0)) if data is None else data
    return solve(residual, data, jnp.ones((1, rows)), jnp.ones((1, rows)), np.asarray(starts, float)[None], **options)


def test_starts_agree_about_the_better_of_two_optima():
    starts = [1.1, -0.9, 0.8, np.nan, 1.3, 0.9, -0.8, np.nan, 1.2, -1.0, np.nan]
    found = run(two_wells, np.array(starts)[:, None])
    assert found.agree.item() == pytest.approx(5 / 11)
    assert found.status.item() == Status.CONVERGED
    assert found.vector.item() == pytest.approx(1.0, abs=1e-7)
    assert found.value.item() == pytest.approx(0.5, rel=1e-13)
    ends, where = found.starts.vector[0, 0, :, 0], np.array(starts)
    np.testing.assert_allclose(ends[where > 0], np.ones(5), atol=1e-6)
    np.testing.assert_allclose(ends[where < 0], np.full(3, UPPER), atol=1e-6)
    np.testing.assert_allclose(found.starts.value[0, 0, where < 0], np.full(3, UPPER_VALUE), rtol=1e-12)
    assert np.all(found.starts.status[0, 0, np.isnan(where)] == Status.NON_FINITE_START)
    assert np.all(found.starts.status[0, 0, ~np.isnan(where)] == Status.CONVERGED)


def test_step_limit():
    found = run(two_wells, [[30.0]], settings=Settings(steps=1))
    assert found.status.item() == Status.STEP_LIMIT
    assert found.starts.steps.item() == 1
    assert run(two_wells, [[30.0]]).status.item() == Status.CONVERGED


def test_a_start_cut_short_wins_when_it_stands_lower():
    """Its status is kept: that the other start converged says nothing about the optimum of this one."""
    found = run(two_wells, [[UPPER], [2.0]], settings=Settings(steps=2))
    assert found.starts.status[0, 0].tolist() == [Status.CONVERGED, Status.STEP_LIMIT]
    assert found.value.item() < UPPER_VALUE - 0.1
    assert found.status.item() == Status.STEP_LIMIT


def test_steps_never_go_up():
    values = [run(two_wells, [[-7.0], [0.01], [5.0]], settings=Settings(steps=n)).starts.value for n in (1, 2, 200)]
    assert np.all(np.diff(np.squeeze(values), axis=0) <= 0)


def test_all_failed():
    found = run(two_wells, np.full((3, 1), np.nan))
    assert found.status.item() == Status.ALL_FAILED
    assert found.agree.item() == 0.0
    assert not Status(found.status.item()).usable


def root_residual(vector, row):
    return jnp.sqrt(vector[0]) - row


def test_non_finite_start():
    found = run(root_residual, [[-1.0], [4.0]], data=jnp.full((1, 1), 1.5), rows=1)
    assert found.starts.status[0, 0].tolist() == [Status.NON_FINITE_START, Status.CONVERGED]
    assert found.vector.item() == pytest.approx(2.25)
    assert found.agree.item() == 0.5


@pytest.mark.parametrize("second", [1.0, -2.5, 0.0], ids=["equal", "collinear", "without effect"])
def test_singular(second):
    """The fit is found all the same; along the flat direction any answer is as good."""
    x, y = np.linspace(-1, 2, 7), np.array([0.1, -0.3, 0.2, 0.5, 1.1, 0.8, 1.9])
    data = (jnp.asarray(np.stack([x, second * x], 1))[None], jnp.asarray(y)[None])
    found = run(line_residual, [[0.3, -0.2], [2.0, 1.0]], data=data, rows=7)
    assert found.status.item() == Status.SINGULAR
    assert found.condition.item() > 1e12 or second == 0.0
    assert found.value.item() == pytest.approx(0.5 * np.sum((x * (x @ y) / (x @ x) - y) ** 2), rel=1e-12)
    assert found.agree.item() == 1.0


def kink_residual(vector, row):
    """The least value, at 0, lies in a kink: no step goes lower and the gradient never vanishes."""
    return jnp.abs(vector[0]) + row


def test_stalled():
    found = run(kink_residual, [[0.7]], data=jnp.ones((1, 1)), rows=1)
    assert found.status.item() == Status.STALLED
    assert found.vector.item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("unit", [1.0, 100.0, 1e4])
def test_exact_data_in_any_unit(unit):
    """Rounding grows with the values: an exact fit of large ones is an exact fit, not a solver that got stuck."""
    columns, slopes = line_problems()[0][:1], np.array([1.0, -0.3, 0.7])
    data, starts = (jnp.asarray(columns), jnp.asarray(unit * columns @ slopes)), np.random.default_rng(0)
    found = run(line_residual, starts.normal(size=(7, 3)), data=data, rows=31)
    assert found.status.item() == Status.CONVERGED
    assert np.all(found.starts.status == Status.CONVERGED)
    assert found.agree.item() == 1.0
    np.testing.assert_allclose(found.vector[0, 0], unit * slopes, rtol=1e-9)


def sextuplets_residual(vector, row):
    """Six parameters with one effect: the Hessian's least eigenvalue is 0, give or take rounding."""
    return row * jnp.sum(vector) - 1.0


def test_condition_of_a_hopeless_fit():
    found = run(sextuplets_residual, np.ones((1, 6)), data=jnp.asarray([[1.0, 2.0, 3.0]]))
    assert found.status.item() == Status.SINGULAR
    assert found.condition.item() > 1e12


def test_the_value_is_the_objective_where_the_solver_ended():
    """Also where a parameter runs off, and a last step may go further than the model around it holds."""
    law, truth, space = FORMS["Chinchilla"]
    rng = np.random.default_rng(21)
    data, starts = robust_problems(law, truth, space, rng), starts_around(law, truth, STARTS, rng)
    counts = rng.multinomial(ROWS, np.full(ROWS, 1 / ROWS), 11).astype(float)
    residual = Residual(law, space)
    found = solve(residual, data, np.ones((PROBLEMS, ROWS)), counts, starts)
    assert np.any(np.abs(found.vector) > 9.0)  # in one draw the loss has no floor
    r = np.asarray(jax.jit(jax.vmap(jax.vmap(jax.vmap(residual, (None, 0))), (0, None)))(found.vector, data))
    np.testing.assert_allclose(found.value, 0.5 * np.einsum("dpr,dr->dp", r**2, counts), rtol=1e-9)


def test_every_status_is_reached_here():
    """A new way to end needs a test of its own; a network's is in tests/fitting/test_trained.py."""
    reached = ["CONVERGED", "STEP_LIMIT", "NON_FINITE_START", "SINGULAR", "STALLED", "ALL_FAILED", "TRAINED"]
    assert [s.name for s in Status if s is not Status.RUNNING] == reached


def location_residual(vector, row):
    return vector[0] - row


def test_rows_beyond_the_corner_still_pull():
    """At this start all three lie beyond it: no curvature, and a slope that must not pass for an optimum."""
    data = jnp.asarray([[-0.4, -0.5, 0.9]])
    found = run(location_residual, [[1.0], [-0.4]], data=data, huber=0.27)
    assert found.status.item() == Status.CONVERGED
    assert found.vector.item() == pytest.approx(-0.315, abs=1e-9)  # (−.4 − .5 + .27) / 2
    assert found.agree.item() == 1.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"draws": [1]}, "draws 1 to 1 are asked for, and there are 1"),
        ({"draws": []}, "0 draws"),
        ({"weight": -np.ones((1, 3))}, "weight holds numbers that are negative"),
        ({"resample": np.full((1, 3), np.nan)}, "resample holds numbers"),
        ({"starts": np.ones((1, 0, 1))}, "0 starts"),
        ({"anchor": Anchor(jnp.ones((2, 1)), jnp.ones((2, 1)))}, "the anchor does not have a row for each draw"),
    ],
)
def test_what_cannot_be_fitted_is_refused(wrong, message):
    given = {"weight": np.ones((1, 3)), "resample": np.ones((1, 3)), "starts": np.ones((1, 1, 1))} | wrong
    with pytest.raises(InputError, match=message):
        solve(location_residual, jnp.ones((1, 3)), **given)


def test_float64_needs_64_bits():
    with jax.enable_x64(False), pytest.raises(PrecisionError):
        solve(location_residual, np.ones((1, 3)), np.ones((1, 3)), np.ones((1, 3)), np.ones((1, 1, 1)))
