"""Best mixtures against closed laws, brute-force grids and a linear programme.

Compiling takes nearly all the time, and programs serve all problems of one value, one number of sources and one shape
of data: the tests share three values, and give them data of the same shapes.
"""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from flpjax.engine import climbers
from flpjax.engine.ascent import AscentStatus, ascend, spread_starts
from flpjax.engine.climb import Climber, _peak, begin
from flpjax.engine.polytope import Polytope, project, simplex
from flpjax.errors import InputError

PROBLEMS, TASKS = 11, 3  # of laws
PIECES = 13  # of values with kinks
NOTHING = np.zeros(2)


def parabola(w, data):
    """Linear where ``bend`` is 0, convex where it is negative."""
    slope, bend, target = data
    return jnp.sum(slope * w) - 0.5 * jnp.sum(bend * (w - target) ** 2)


def curve(w, law):
    """A power law of effective data, as losses of mixtures are."""
    level, scale, power, offset = law
    return -jnp.mean(level + (scale @ w + offset) ** (-power))


def corners(w, data):
    """Kinks of both kinds: the least of planes (concave), plus ramps (several summits); and a long winding valley."""
    slope, level, inner, shift, outer, winding = data
    planes, ramps = jnp.min(slope @ w + level), jnp.sum(outer * jnp.maximum(inner @ w + shift, 0.0))
    x = 4.0 * w[:5] - 1.0
    return planes + ramps - winding * (0.25 * (x[0] - 1.0) ** 2 + jnp.sum((x[1:] - 2.0 * x[:-1] ** 2 + 1.0) ** 2))


def starts(size, count=13, polytope=None):
    return spread_starts(simplex(size) if polytope is None else polytope, count, np.random.default_rng(5))


def grid(size, steps=100):
    """All mixtures whose weights are multiples of ``1/steps``."""
    points = [p for p in itertools.product(range(steps + 1), repeat=size - 1) if sum(p) <= steps]
    return np.array([(*p, steps - sum(p)) for p in points]) / steps


def laws(seed, size, problems=PROBLEMS):
    """Concave; where the scale is small beside the offset, the best weights are on a face."""
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(1, 2, (problems, TASKS)),
        rng.lognormal(-1, 1, (problems, TASKS, size)),
        rng.uniform(0.1, 0.5, (problems, TASKS)),
        np.full((problems, TASKS), 0.03),
    )


def curves(law, points):
    """The same in NumPy, ``(problem, point)``, at mixtures ``(point, S)`` or ``(problem, point, S)``."""
    level, scale, power, offset = law
    effective = np.einsum("pts,pgs->pgt", scale, np.broadcast_to(points, (len(scale), *points.shape[-2:])))
    return -np.mean(level[:, None] + (effective + offset[:, None]) ** -power[:, None], axis=-1)


def by_zooming(law, size):
    """Best weights ``(problem, S)`` of concave laws, by ever finer grids and no gradient; zeros are exact."""
    free, step = size - 1, 1 / 128
    best = np.full((len(law[0]), 1, free), 0.5)
    offsets = np.stack(np.meshgrid(*[np.arange(-64, 65)] * free, indexing="ij"), -1).reshape(-1, free)
    near = offsets[(abs(offsets) <= 8).all(1)]
    while step > 1e-7:
        rest = np.clip(best + step * offsets, 0.0, None)
        rest /= np.maximum(rest.sum(-1, keepdims=True), 1.0)
        points = np.concatenate([rest, np.clip(1.0 - rest.sum(-1, keepdims=True), 0.0, None)], axis=-1)
        chosen = points[np.arange(len(points)), curves(law, points).argmax(1)]
        best, offsets, step = chosen[:, None, :free], near, step / 4
    return chosen


def kinked(seed, *, winding=0.0):
    """Planes of 9 sources, or the valley; other terms of :func:`corners` are zeros."""
    rng, shape = np.random.default_rng(seed), (PROBLEMS, PIECES)
    planes = rng.normal(size=(*shape, 9)), 0.1 * rng.normal(size=shape)
    none = np.zeros((*shape, 9)), np.zeros(shape), np.zeros(shape)
    return *(none[:2] if winding else planes), *none, np.full(PROBLEMS, winding)


HELD = Polytope(
    np.array([0.0, 0, 0, 0, 0.1]),
    np.array([1.0, 1, 1, 0.05, 0.1]),
    np.array([0, 0, 1, 1, -1]),
    np.array([0.0, 0.25]),
    np.array([1.0, 1.0]),
)
FREE = HELD._replace(lower=np.zeros(5), upper=np.ones(5), group_lower=NOTHING)


def test_a_line_ends_at_its_best_vertex():
    slope = np.array([[0.3, 0.9, 0.1, 0.8, -1.0], [1.0, -2.0, 0.5, 0.9, 0.9]])
    found = ascend(parabola, (slope, 0 * slope, slope), starts(5), FREE)
    np.testing.assert_array_equal(found.weights, np.eye(5)[[1, 0]])
    assert list(found.status) == [AscentStatus.CONVERGED] * 2
    np.testing.assert_allclose(found.gap, 0.0, atol=1e-15)
    np.testing.assert_array_equal(found.agree, 1.0)


def test_the_best_of_several_summits():
    """A convex value has a summit at each vertex; agreement says how many starts found the best."""
    slope = np.array([[0.1, 0.0, 0.2, 0.05, 0.15], [0.0, 0.3, 0.1, 0.1, 0.2]])
    found = ascend(parabola, (slope, np.full((2, 5), -2.0), np.zeros((2, 5))), np.eye(5), FREE)
    np.testing.assert_array_equal(found.weights, np.eye(5)[[2, 1]])
    np.testing.assert_allclose(found.agree, 1 / 5)


def test_a_bowl_on_a_face_under_bounds_and_groups():
    """The optimality conditions by hand: on the free sources of a block all slopes are alike."""
    target = np.tile([0.5, 0.4, -0.2, 0.3, 0.6], (2, 1))
    found = ascend(parabola, (0 * target, np.tile(np.arange(1.0, 6.0), (2, 1)), target), starts(5, polytope=HELD), HELD)
    # Source 4 is fixed, source 3 at its upper bound, group 1 at its lower one; 0 and 1 share .65.
    by_hand = [0.5 - 0.5 / 3, 0.4 - 0.25 / 3, 0.2, 0.05, 0.1]
    np.testing.assert_allclose(found.weights, [by_hand, by_hand], atol=1e-12)
    assert set(found.status) == {AscentStatus.CONVERGED}
    assert np.all(found.gap < 1e-8)


def test_a_set_of_one_point():
    only = np.array([0.2, 0.0, 0.5, 0.0, 0.3])
    data = np.ones((2, 5)), np.ones((2, 5)), np.zeros((2, 5))
    found = ascend(parabola, data, starts(5), FREE._replace(lower=only, upper=only))
    np.testing.assert_array_equal(found.weights, [only, only])
    assert set(found.status) == {AscentStatus.CONVERGED}


def test_pure_powers_share_by_a_closed_form():
    """And starts at which the value is not finite (corners) spoil no other."""
    a, power = np.random.default_rng(0).uniform(0.05, 1.0, (PROBLEMS, 3)), 0.4
    law = np.ones((PROBLEMS, 3)), a[:, :, None] * np.eye(3), np.full((PROBLEMS, 3), power), np.zeros((PROBLEMS, 3))
    first = np.concatenate([np.eye(3), np.full((1, 3), 1 / 3), [[0.9, 0.06, 0.04]]])
    found = ascend(curve, law, first, simplex(3))
    share = a ** (-power / (power + 1))
    np.testing.assert_allclose(found.weights, share / share.sum(1, keepdims=True), atol=1e-8)
    assert set(found.status) == {AscentStatus.CONVERGED}
    np.testing.assert_allclose(found.agree, 2 / 5)


def test_nothing_finite():
    level, *rest = laws(0, 3)
    found = ascend(curve, (level * np.nan, *rest), starts(3), simplex(3))
    assert set(found.status) == {AscentStatus.NON_FINITE}
    assert np.all(found.value == -np.inf)
    assert np.all(found.agree == 0)


@pytest.mark.parametrize("size", [2, 3])
def test_smooth_concave_values_agree_with_grids(size):
    law = laws(size, size)
    found = ascend(curve, law, starts(size), simplex(size))
    assert np.all(found.value >= curves(law, grid(size)).max(1) - 1e-15), "no point of the grid is better"
    assert set(found.status) == {AscentStatus.CONVERGED}
    np.testing.assert_array_equal(found.agree, 1.0)
    exact = by_zooming(law, size)
    np.testing.assert_allclose(found.weights, exact, atol=1e-6)
    assert 0 < np.sum(exact == 0) < exact.size
    if size == 2:
        np.testing.assert_array_equal(found.weights == 0, exact == 0)
        dense = grid(2, 10_000)
        np.testing.assert_allclose(found.weights, dense[curves(law, dense).argmax(1)], atol=1e-4)


def test_a_source_that_has_no_place_gets_nothing():
    found = ascend(curve, laws(3, 3), starts(3), simplex(3))
    assert np.all((found.weights == 0) | (found.weights > 1e-12))


def test_a_batch_is_its_problems():
    """An answer does not depend on the others in the batch."""
    law, others = laws(3, 3), laws(4, 3)
    together = ascend(curve, law, starts(3), simplex(3))
    for i in (0, 7):
        data = tuple(
            np.concatenate([other[:5], leaf[i : i + 1], other[6:]]) for leaf, other in zip(law, others, strict=True)
        )
        moved = ascend(curve, data, starts(3), simplex(3))
        np.testing.assert_allclose(moved.weights[5], together.weights[i], atol=1e-12)
        np.testing.assert_allclose(moved.value[5], together.value[i], rtol=1e-14)


def test_nothing_is_compiled_twice():
    def sizes():
        return [p._cache_size() for p in (climbers.nearest_points, climbers._advance, climbers._report)]

    ascend(curve, laws(2, 3), starts(3), simplex(3))
    before = sizes()
    bounded = simplex(3)._replace(upper=np.full(3, 0.4))
    ascend(curve, laws(5, 3), starts(3, 17), bounded, tolerance=1e-7, steps=50)
    assert sizes() == before


def test_no_point_of_a_grid_is_better_where_there_are_kinks():
    """In three sources, with the other six shut out."""
    rng, three = np.random.default_rng(3), simplex(9)._replace(upper=np.repeat([1.0, 0.0], [3, 6]))
    points = np.pad(grid(3), [(0, 0), (0, 6)])
    planes = kinked(4)
    found = ascend(corners, planes, starts(9, 13, three), three)
    everywhere = (np.einsum("pts,gs->pgt", planes[0], points) + planes[1][:, None]).min(-1)
    assert np.all(found.value >= everywhere.max(1) - 1e-9)
    assert set(found.status) <= {AscentStatus.CONVERGED, AscentStatus.KINK}
    assert AscentStatus.KINK in found.status
    assert np.all(found.weights[:, 3:] == 0)

    inner, shift, outer = rng.normal(size=planes[2].shape), *rng.normal(size=(2, PROBLEMS, PIECES))
    found = ascend(
        corners, (*kinked(0, winding=1.0)[:2], inner, 0.5 * shift, outer, 0 * planes[-1]), starts(9, 64, three), three
    )
    inside = np.einsum("pts,gs->pgt", inner, points) + 0.5 * shift[:, None]
    everywhere = (np.maximum(inside, 0) * outer[:, None]).sum(-1)
    assert np.all(found.value >= everywhere.max(1) - 1e-9)


def test_the_worst_of_many_against_a_linear_programme():
    """Beyond 8 sources, systems are solved by a rolled loop."""
    data = kinked(8)
    found = ascend(corners, data, starts(9, 1), simplex(9))
    for i in range(PROBLEMS):
        best = linprog(
            np.append(np.zeros(9), -1.0),
            A_ub=np.column_stack([-data[0][i], np.ones(PIECES)]),
            b_ub=data[1][i],
            A_eq=np.append(np.ones(9), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0, 1)] * 9 + [(None, None)],
        )
        assert found.value[i] == pytest.approx(-best.fun, abs=1e-9)
    assert set(found.status) <= {AscentStatus.CONVERGED, AscentStatus.KINK}
    assert np.all((found.kkt > 1e-3) == (found.status == AscentStatus.KINK))
    assert AscentStatus.KINK in found.status


def test_a_newton_step_on_a_flat_face_lands_on_a_mixture():
    """Of many sources most directions are flat to rounding, and a step along them is endless."""
    size, rng = 41, np.random.default_rng(0)
    polytope = simplex(size)._replace(upper=np.full(size, 0.3))
    first = spread_starts(polytope, 53, rng)
    for weights in first:
        worth = np.exp(2.0 * rng.standard_normal((2, size)))
        gradient = 1e-2 * rng.random(size)
        lane = begin(jnp.asarray(weights))._replace(damping=jnp.zeros(()))
        peak, _ = _peak(polytope, lane, jnp.asarray(gradient), jnp.asarray(-1e-2 * worth.T @ worth))
        landed = np.asarray(project(polytope, peak))
        assert landed.sum() == pytest.approx(1.0, abs=1e-9)
        assert np.all((landed >= 0) & (landed <= 0.3))


@pytest.mark.parametrize("program", ["_advance", "_follow", "_shift"])
def test_no_call_of_lapack_is_made_by_threads(program):
    """Threads of XLA that make such calls wait for each other for ever where two large programs run at once."""
    one = Climber(np.full((128, 9), 1 / 9), *np.zeros((7, 128)))
    numbers = (np.int32(6), np.float64(1e-8)) if program == "_advance" else ()
    arguments = corners, True, kinked(8), simplex(9), np.int32(16), np.zeros(128, np.int32), one, *numbers
    text = getattr(climbers, program).lower(*arguments).as_text()
    assert "while" in text
    assert "lapack" not in text


def test_out_of_steps():
    """A valley that doubles back on itself (Nesterov's of Chebyshev polynomials): single steps don't get far."""
    data = kinked(8, winding=10.0)
    first = np.random.default_rng(2).dirichlet(np.ones(9), PROBLEMS)[:, None]
    short, long = (ascend(corners, data, first, simplex(9), steps=steps) for steps in (1, 1000))
    left = short.status == AscentStatus.STEP_LIMIT
    assert left.sum() >= 4
    assert set(long.status) == {AscentStatus.CONVERGED}
    assert np.all(short.kkt[left] > 1e-8)
    assert np.sum(long.value > short.value + 0.01) >= 3, "there was still a way up (some found another summit)"


def test_starts_are_feasible_and_spread():
    held = simplex(5)._replace(
        lower=np.full(5, 0.05),
        group=np.array([0, 0, -1, 1, 1]),
        group_lower=np.array([0.3, 0]),
        group_upper=np.array([0.5, 0.4]),
    )
    points = starts(5, 17, held)
    assert points.shape == (17, 5)
    np.testing.assert_allclose(points.sum(1), 1.0, atol=1e-14)
    assert np.all(points >= 0.05)
    assert np.all(np.abs(points[:, :2].sum(1) - 0.4) <= 0.1 + 1e-14)
    assert len(np.unique(points.round(9), axis=0)) == 17
    np.testing.assert_array_equal(points, starts(5, 17, held))
    assert np.sum(np.isclose(starts(5, 13), 1.0)) == 5  # all vertices of the simplex


@pytest.mark.parametrize(
    ("data", "first", "polytope", "message"),
    [
        (np.ones((2, 3)), np.eye(4), simplex(3), r"starts \(4, 4\) don't fit 2 problems of 3 sources"),
        (np.ones((2, 3)), np.ones((5, 4, 3)), simplex(3), r"starts \(5, 4, 3\) don't fit 2 problems"),
        ((np.ones((2, 3)), np.ones(3)), np.eye(3), simplex(3), "don't share a first axis"),
        (
            np.ones((2, 3)),
            np.eye(3),
            simplex(3)._replace(lower=np.array([0.7, 0, 0.6])),
            "lower 0 conflicts with lower 2",
        ),
    ],
)
def test_bad_calls(data, first, polytope, message):
    with pytest.raises(InputError, match=message):
        ascend(parabola, data, first, polytope)
