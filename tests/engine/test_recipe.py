"""Training by a recipe against AdamW in a NumPy loop, against closed laws, and lane by lane."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flpjax.engine.recipe import LANES_PER_CORE, Recipe, _train_all, _train_tile, train
from flpjax.laws.law import size
from flpjax.laws.network import Network
from flpjax.laws.residual import Residual

PROBLEMS, LANES, ROWS = 2, 5, 13
NETWORK = Residual(Network(3, (2.5, 2.5), (0.3, 0.3), 0.5, 0.1), "linear")
RECIPE = Recipe(steps=149)


@dataclass(frozen=True)
class Line:
    """A residual with a closed form: a straight line."""

    def __call__(self, vector, data):
        x, y = data
        return vector[0] + vector[1] * x - y


@pytest.fixture(scope="module")
def problem():
    """Data, weights (some 0), counts (some 0) and starts of two problems and five lanes."""
    rng = np.random.default_rng(8)
    x = rng.uniform(1.9, 3.1, (PROBLEMS, ROWS, 2))
    y = 0.5 + 0.2 * np.sin(3.0 * x[..., 0]) - 0.1 * x[..., 1]
    weight = rng.uniform(0.5, 1.5, (PROBLEMS, ROWS)) * (np.arange(ROWS) % 5 > 0)
    resample = rng.poisson(1.2, (LANES, ROWS)).astype(float)
    resample[0] = 1.0
    return (x, y), weight, resample, rng.standard_normal((PROBLEMS, LANES, size(NETWORK.law)))


@pytest.fixture(scope="module")
def trained(problem):
    return train(NETWORK, *problem, RECIPE)


def adamw(residual, data, weight, vector, recipe, b1=0.9, b2=0.999, eps=1e-8):
    """Loshchilov & Hutter 2019, algorithm 2, on the weighted mean square of one lane: NumPy but for the Jacobian."""
    rows = jax.jit(lambda v: jax.vmap(residual, (None, 0))(v, data))
    slopes = jax.jit(jax.jacfwd(rows))
    first, second = np.zeros_like(vector), np.zeros_like(vector)
    for t in range(recipe.steps):
        gradient = 2.0 * (weight * np.asarray(rows(vector))) @ np.asarray(slopes(vector)) / weight.sum()
        first = b1 * first + (1.0 - b1) * gradient
        second = b2 * second + (1.0 - b2) * gradient**2
        unbiased, square = first / (1.0 - b1 ** (t + 1)), second / (1.0 - b2 ** (t + 1))
        rate = recipe.rate * (1.0 - t / recipe.steps)
        vector = vector - rate * (unbiased / (np.sqrt(square) + eps) + recipe.decay * vector)
    r = np.asarray(rows(vector))
    return vector, weight @ r**2, np.linalg.norm(2.0 * (weight * r) @ np.asarray(slopes(vector)))


def optax_loop(residual, data, weight, vector, recipe):
    """The same with the steps of optax, one after the other."""
    solver = optax.adamw(
        lambda t: recipe.rate * (1.0 - jnp.asarray(t, float) / recipe.steps), weight_decay=recipe.decay
    )

    @jax.jit
    def step(v, state):
        gradient = jax.grad(lambda v: weight @ jax.vmap(residual, (None, 0))(v, data) ** 2 / weight.sum())(v)
        updates, state = solver.update(gradient, state, v)
        return optax.apply_updates(v, updates), state

    vector, state = jnp.asarray(vector), solver.init(jnp.asarray(vector))
    for _ in range(recipe.steps):
        vector, state = step(vector, state)
    return vector


# optax counts its steps, hence rates and bias corrections, in 32 bits: each step is right to 1e-7 of its length.
@pytest.mark.parametrize(("at", "lane"), [(0, 0), (1, 3)])
def test_a_lane_is_adamw_in_a_loop(problem, trained, at, lane):
    data, weight, resample, starts = problem
    own = jax.tree.map(lambda leaf: jnp.asarray(leaf[at]), data)
    vector, value, gradient = adamw(NETWORK, own, weight[at] * resample[lane], starts[at, lane], RECIPE)
    assert trained.vector.shape == (PROBLEMS, LANES, size(NETWORK.law))
    np.testing.assert_allclose(trained.vector[at, lane], vector, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(trained.value[at, lane], value, rtol=1e-5)
    np.testing.assert_allclose(trained.gradient[at, lane], gradient, rtol=1e-4)
    stepped = optax_loop(NETWORK, own, weight[at] * resample[lane], starts[at, lane], RECIPE)
    np.testing.assert_allclose(trained.vector[at, lane], stepped, rtol=1e-10, atol=1e-10)


def test_value_and_gradient_are_those_of_where_a_lane_ended(problem, trained):
    data, weight, resample, _ = problem
    for at, lane in ((0, 1), (1, 4)):
        own, w = jax.tree.map(lambda leaf, at=at: jnp.asarray(leaf[at]), data), weight[at] * resample[lane]

        def total(v, own=own, w=w):
            return w @ jax.vmap(NETWORK, (None, 0))(v, own) ** 2

        value, slope = jax.value_and_grad(total)(jnp.asarray(trained.vector[at, lane]))
        np.testing.assert_allclose(trained.value[at, lane], value, rtol=1e-11)
        np.testing.assert_allclose(trained.gradient[at, lane], np.linalg.norm(slope), rtol=1e-8)


def test_the_defaults_are_the_paper_s():
    assert Recipe() == Recipe(steps=2000, rate=0.05, decay=0.01)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_without_data_the_weights_only_decay_along_the_schedule(problem, decay):
    (x, y), weight, resample, starts = problem
    recipe = Recipe(steps=17, rate=0.1, decay=decay)
    ends = train(NETWORK, (x, y), 0.0 * weight, resample, starts, recipe)
    factor = np.prod(1.0 - 0.1 * decay * (1.0 - np.arange(17) / 17))
    np.testing.assert_allclose(ends.vector, factor * starts, rtol=1e-7)
    np.testing.assert_array_equal(ends.value, 0.0)


def test_a_straight_line_is_least_squares():
    rng = np.random.default_rng(2)
    x, resample = rng.normal(size=(1, ROWS)), np.stack([np.ones(ROWS), np.arange(ROWS) % 3])
    y, weight = 0.4 - 0.3 * x + 0.05 * rng.normal(size=x.shape), rng.uniform(0.5, 1.5, (1, ROWS))
    ends = train(Line(), (x, y), weight, resample, np.zeros((1, 2, 2)), Recipe(decay=0.0))
    for lane in range(2):
        slope, level = np.polyfit(x[0], y[0], 1, w=np.sqrt(weight[0] * resample[lane]))
        np.testing.assert_allclose(ends.vector[0, lane], [level, slope], rtol=1e-5)
    assert (ends.gradient < 1e-5).all()


def test_scale_of_the_weights_does_not_matter(problem, trained):
    """The objective is a mean: a problem with all weights times 7 ends where it did, with 7 times the sum."""
    data, weight, resample, starts = problem
    ends = train(NETWORK, data, 7.0 * weight, resample, starts, RECIPE)
    np.testing.assert_allclose(ends.vector, trained.vector, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ends.value, 7.0 * trained.value, rtol=1e-6)


@pytest.mark.parametrize("lanes", [1, LANES_PER_CORE - 1, LANES_PER_CORE + 1])
def test_a_lane_does_not_know_its_neighbours(problem, trained, lanes):
    data, weight, resample, starts = problem
    rng = np.random.default_rng(lanes)
    others = rng.standard_normal((PROBLEMS, lanes, starts.shape[2]))
    counts = rng.poisson(1.0, (lanes, ROWS)).astype(float)
    others[:, -1], counts[-1] = starts[:, 2], resample[2]
    ends = train(NETWORK, data, weight, counts, others, RECIPE)
    assert ends.vector.shape == others.shape
    np.testing.assert_allclose(ends.vector[:, -1], trained.vector[:, 2], rtol=1e-12, atol=1e-12)
    assert np.isfinite(ends.vector).all()


def test_a_lane_that_fails_is_alone(problem, trained):
    data, weight, resample, starts = problem
    bad = starts.copy()
    bad[0, 1] = np.nan
    ends = train(NETWORK, data, weight, resample, bad, RECIPE)
    failed = np.zeros((PROBLEMS, LANES), bool)
    failed[0, 1] = True
    assert not np.isfinite(ends.value[failed]).any()
    np.testing.assert_array_equal(ends.vector[~failed], trained.vector[~failed])


@pytest.mark.parametrize("what", ["weight", "resample"])
def test_rows_of_weight_0_have_no_say(problem, trained, what):
    (x, y), weight, resample, starts = problem
    gone, counts = weight == 0.0, resample
    expected = trained.vector
    assert gone.any()
    if what == "resample":
        gone, counts = np.zeros_like(gone), resample.copy()
        gone[:, [3, 7]], counts[:, [3, 7]] = True, 0.0
        expected = train(NETWORK, (x, y), weight, counts, starts, RECIPE).vector
    junk = np.where(gone, 1e6, y), np.where(gone[..., None], -1e3, x)
    ends = train(NETWORK, (junk[1], junk[0]), weight, counts, starts, RECIPE)
    np.testing.assert_array_equal(ends.vector, expected)


def test_other_data_compile_nothing(problem, trained):
    data, weight, resample, starts = problem
    program = _train_tile if jax.default_backend() == "cpu" else _train_all
    before = program._cache_size()
    assert before > 0
    again = jax.tree.map(lambda leaf: leaf + 0.01, data)
    for lanes in (LANES, 3, LANES_PER_CORE):
        counts, from_ = np.ones((lanes, ROWS)), np.repeat(starts[:, :1], lanes, axis=1)
        train(Residual(Network(*vars(NETWORK.law).values()), "linear"), again, weight, counts, from_, RECIPE)
    assert program._cache_size() == before
    train(NETWORK, data, weight, resample, starts, Recipe(steps=3))
    assert program._cache_size() == before + 1


def test_inputs_are_left_as_they_were(problem):
    before = jax.tree.map(np.copy, problem)
    train(NETWORK, *problem, Recipe(steps=3))
    jax.tree.map(np.testing.assert_array_equal, problem, before)
