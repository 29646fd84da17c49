"""One pass over the rows against automatic and numerical differentiation of the objective itself."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.engine import moments as module
from flpjax.engine.moments import UNROLL, Anchor, Corners, Moments, rho

ROWS = 23
SIZES = (3, UNROLL + 1)  # summed one by one, and as matrices
LOSSES = [None, 0.3]


@cache
def program(residual, huber, along, backwards, unroll):
    """Compiled anew for a patched module."""
    assert unroll == module.UNROLL

    def own(*numbers):
        *numbers, corners = numbers
        return module.moments(residual, *numbers, huber, corners, along, backwards=backwards)

    return jax.jit(own)


def moments(residual, data, weight, vector, anchor, huber, corners=None, along=None, backwards=False):
    own = program(residual, huber, along, backwards, module.UNROLL)
    return jax.tree.map(np.asarray, own(data, weight, vector, anchor, corners))


def wave(vector, row):
    """Neither linear in the parameters nor alike in any two of them."""
    x, y = row
    k = jnp.arange(1.0, len(vector) + 1.0)
    return jnp.mean(jnp.sin(k * x + 0.3 * vector) * jnp.exp(0.1 * vector)) - y


waves = jax.jit(jax.vmap(wave, (None, 0)))
slopes = jax.jit(jax.jacrev(waves))


def case(size, seed=0):
    rng = np.random.default_rng(seed)
    data = (jnp.asarray(rng.normal(size=ROWS)), jnp.asarray(rng.normal(size=ROWS)))
    weight = jnp.asarray(rng.uniform(0.1, 3.0, ROWS) * (rng.random(ROWS) < 0.8))
    anchor = Anchor(jnp.asarray(rng.normal(size=size)), jnp.asarray(rng.uniform(0.5, 9.0, size)))
    return data, weight, jnp.asarray(rng.normal(size=size)), anchor


@jax.jit
@jax.value_and_grad
def objective(vector, data, weight, anchor, corner):
    """The number that is minimised, and its gradient."""
    total = jnp.sum(weight * rho(jax.vmap(wave, (None, 0))(vector, data), corner))
    return total if anchor is None else total + 0.5 * jnp.sum(anchor.precision * (vector - anchor.centre) ** 2)


def assert_same(one, two, rtol=1e-12):
    for name, a, b in zip(Moments._fields, one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.max(np.abs(b)), err_msg=name)


@pytest.mark.parametrize("anchored", [False, True], ids=["free", "anchored"])
@pytest.mark.parametrize("huber", LOSSES)
@pytest.mark.parametrize("size", SIZES)
def test_against_the_objective(size, huber, anchored):
    data, weight, vector, anchor = case(size)
    anchor = anchor if anchored else None
    found = moments(wave, data, weight, vector, anchor, huber)
    value, gradient = objective(vector, data, weight, anchor, huber)
    np.testing.assert_allclose([found.value, found.before, found.final], [value] * 3, rtol=1e-13)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-12, atol=1e-12)

    r, jacobian = (np.asarray(f(vector, data)) for f in (waves, slopes))
    beyond = np.zeros(ROWS, bool) if huber is None else np.abs(r) > huber
    assert huber is None or 0 < np.sum(beyond & (weight > 0)) < np.sum(weight > 0)
    pull = np.diag(anchor.precision) if anchored else np.zeros((size, size))
    by_hand = jacobian.T @ (np.asarray(weight * ~beyond)[:, None] * jacobian) + pull
    np.testing.assert_allclose(found.hessian, by_hand, rtol=1e-12, atol=1e-12)
    cautious = weight * np.where(beyond, (huber or 1.0) / np.abs(r), 1.0)
    np.testing.assert_allclose(found.stiffness, cautious @ jacobian**2 + np.diag(pull), rtol=1e-12)
    assert np.all(found.stiffness >= np.diag(found.hessian) * (1 - 1e-12))


def test_hessian_of_a_line_is_the_second_derivative():
    """Where residuals are linear there is nothing that Gauss and Newton leave out."""
    rng = np.random.default_rng(4)
    data = (jnp.asarray(rng.normal(size=(ROWS, 3))), jnp.asarray(rng.normal(size=ROWS)))

    def line(vector, row):
        return row[0] @ vector - row[1]

    def total(vector):
        return jnp.sum(weight * rho(jax.vmap(line, (None, 0))(vector, data), 0.7))

    weight, vector = jnp.asarray(rng.uniform(size=ROWS)), jnp.asarray([0.2, -0.4, 1.0])
    found = moments(line, data, weight, vector, None, 0.7)
    np.testing.assert_allclose(found.hessian, jax.jit(jax.hessian(total))(vector), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("size", SIZES)
def test_corners_on_the_way(size):
    """Value, gradient and curvature at the present corner; values alone at the one before and at the last."""
    data, weight, vector, anchor = case(size, seed=1)
    now, before, final = 0.8, 1.7, 0.2
    found = moments(wave, data, weight, vector, anchor, final, Corners(jnp.asarray(now), jnp.asarray(before)))
    plain = moments(wave, data, weight, vector, anchor, now)
    assert_same(found._replace(before=found.value, final=found.value), plain)
    for corner, value in ((now, found.value), (before, found.before), (final, found.final)):
        np.testing.assert_allclose(value, objective(vector, data, weight, anchor, corner)[0], rtol=1e-13)
    assert found.final < found.value < found.before


@pytest.mark.parametrize("huber", LOSSES)
@pytest.mark.parametrize("along", [(0,), (4, 1), (2, 3, 5), tuple(range(10, 0, -1))], ids=str)
def test_along_some_parameters_is_a_part_of_all(along, huber):
    data, weight, vector, anchor = case(UNROLL + 3, seed=2)
    part = moments(wave, data, weight, vector, anchor, huber, along=along)
    whole = moments(wave, data, weight, vector, anchor, huber)
    k = np.array(along)
    assert_same(part, Moments(*whole[:3], whole.gradient[k], whole.hessian[np.ix_(k, k)], whole.stiffness[k]))


@pytest.mark.parametrize("huber", LOSSES)
@pytest.mark.parametrize("size", [1, UNROLL])
def test_both_ways_of_summing_agree(size, huber, monkeypatch):
    data, weight, vector, anchor = case(size, seed=3)
    corners = None if huber is None else Corners(jnp.asarray(0.9), jnp.asarray(1.1))
    ways = []
    for most in (0, 100):
        monkeypatch.setattr(module, "UNROLL", most)
        ways.append(moments(wave, data, weight, vector, anchor, huber, corners))
    assert_same(*ways)
    np.testing.assert_array_equal(ways[1].hessian, ways[1].hessian.T)


@pytest.mark.parametrize("huber", LOSSES)
def test_derivatives_forwards_and_backwards_agree(huber):
    data, weight, vector, anchor = case(5, seed=4)
    assert_same(*(moments(wave, data, weight, vector, anchor, huber, backwards=way) for way in (False, True)))


@pytest.mark.parametrize("huber", LOSSES)
@pytest.mark.parametrize("size", SIZES)
def test_rows_of_weight_zero_are_not_there(size, huber):
    """Whatever finite stands in them; :func:`flpjax.engine.batch.solve` replaces what is not finite."""
    data, weight, vector, anchor = case(size, seed=5)
    absent = np.asarray(weight) == 0
    assert 0 < absent.sum() < ROWS
    spoilt = jax.tree.map(lambda leaf: np.where(absent, 1e3, leaf), data)
    kept = jax.tree.map(lambda leaf: np.asarray(leaf)[~absent], data)
    found = moments(wave, spoilt, weight, vector, anchor, huber)
    assert_same(found, moments(wave, kept, weight[~absent], vector, anchor, huber))


@pytest.mark.parametrize("size", SIZES)
def test_rows_that_are_there_and_not_finite(size):
    """A point where the objective or a derivative is not finite has an infinite value: no step goes there."""
    data, weight, vector, _ = case(size)
    spoilt = (data[0], data[1].at[np.flatnonzero(weight)[0]].set(jnp.nan))
    found = moments(wave, spoilt, weight, vector, None, None)
    assert np.isposinf(found.value)

    def root(vector, row):  # finite itself at 0, without a finite slope there
        return jnp.sqrt(jnp.abs(vector[0])) + row[0]

    assert np.isposinf(moments(root, data, weight, vector.at[0].set(0.0), None, None).value)
