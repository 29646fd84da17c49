"""The network and the straight line of domain losses: standardising, starts, and what they share with known maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.forms.form import pack, prior_normal, size, unpack
from flpjax.forms.network import DomainLinear, Network

ROWS, DOMAINS = 29, 3


@pytest.fixture(scope="module")
def losses():
    rng = np.random.default_rng(6)
    return rng.normal([3.1, 1.2, 2.3], [0.31, 0.17, 0.05], (ROWS, DOMAINS))


@pytest.fixture(scope="module")
def scores(losses):
    return 0.9 - 0.2 * losses.mean(axis=1)


def predict(form, params, x):
    return np.asarray(jax.vmap(form.apply, (None, 0))(params, jnp.asarray(x)))


@pytest.mark.parametrize(("domains", "hidden"), [(1, 3), (2, 3), (5, 3), (5, 7)])
def test_number_of_weights(domains, hidden):
    form = Network(hidden, (2.0,) * domains, (0.3,) * domains)
    assert size(form) == hidden * domains + hidden + hidden + 1
    assert form.constants(unpack(form, jnp.zeros(size(form)))) == {}


def test_standardised_by_what_it_is_centred_on(losses, scores):
    form = Network().centred(losses).scaled(scores)
    np.testing.assert_allclose(form.centre, losses.mean(axis=0), atol=0.1)  # to fifths, and powers of two
    np.testing.assert_allclose(np.log2(form.spread), np.log2(losses.std(axis=0)), atol=0.5)
    assert form.level == pytest.approx(scores.mean(), abs=0.05)
    assert np.log2(form.scale) == pytest.approx(np.log2(scores.std()), abs=0.5)
    assert form.hidden == 3


def test_domains_and_scores_that_do_not_vary_are_not_divided_by_0(losses):
    flat = losses.copy()
    flat[:, 1] = 1.2
    form = Network().centred(flat).scaled(np.full(ROWS, 0.31))
    assert form.spread[1] == 1.0
    assert form.scale == 1.0
    params = unpack(form, jnp.full(size(form), 0.3))
    assert np.isfinite(predict(form, params, flat)).all()


def test_units_of_losses_and_scores_do_not_matter(losses, scores):
    """Weights belong to standardised numbers: a network of losses in other units has the same ones."""
    form = Network(3, (3.1, 1.2, 2.3), (0.3, 0.2, 0.1), 0.3, 0.1)
    other = Network(3, (6.2, 2.4, 4.6), (0.6, 0.4, 0.2), 30.0, 10.0)
    params = unpack(form, jnp.asarray(np.random.default_rng(0).standard_normal(size(form))))
    np.testing.assert_allclose(predict(other, params, 2.0 * losses), 100.0 * predict(form, params, losses), rtol=1e-12)


def test_order_of_the_hidden_units_does_not_matter(losses):
    form = Network().centred(losses)
    params = unpack(form, jnp.asarray(np.random.default_rng(1).standard_normal(size(form))))
    order = np.array([2, 0, 1])
    moved = {name: value if name == "out_bias" else value[order] for name, value in params.items()}
    np.testing.assert_allclose(predict(form, moved, losses), predict(form, params, losses), rtol=1e-12)


def test_guess_is_a_falling_line_in_the_average_standardised_loss(losses, scores):
    form = Network().centred(losses).scaled(scores)
    weight = (np.arange(ROWS) % 4 > 0).astype(float)
    start = form.guess(jnp.asarray(losses), jnp.asarray(scores), jnp.asarray(weight))
    near = np.abs((losses - form.centre) / form.spread).max(axis=1) < 2.5
    assert near.sum() > 20
    z = ((losses - form.centre) / form.spread).mean(axis=1)
    line = np.average(scores, weights=weight) - form.scale * z
    np.testing.assert_allclose(predict(form, start, losses)[near], line[near], rtol=1e-12)


def test_starts_have_the_spread_of_he_et_al(losses):
    """Variance 2 over the inputs of a layer (He et al. 2015, eq. 10)."""
    form = Network(hidden=7).centred(losses)
    scale = prior_normal(form)[1]
    parts = unpack(form, jnp.asarray(scale))
    np.testing.assert_allclose(parts["hidden_weight"] ** 2, np.full((7, DOMAINS), 2.0 / DOMAINS))
    np.testing.assert_allclose(parts["out_weight"] ** 2, np.full(7, 2.0 / 7.0))


def test_silent_units_have_no_gradient_and_the_others_do(losses):
    form = Network().centred(losses)
    params = unpack(form, jnp.asarray(np.random.default_rng(2).standard_normal(size(form))))
    params["hidden_bias"] = jnp.array([-50.0, 50.0, 50.0])
    slope = jax.grad(form.apply)(params, jnp.asarray(losses[4]))
    z = (losses[4] - form.centre) / np.array(form.spread)
    np.testing.assert_array_equal(slope["hidden_weight"][0], np.zeros(DOMAINS))
    np.testing.assert_allclose(slope["hidden_weight"][1], form.scale * float(params["out_weight"][1]) * z, rtol=1e-12)
    np.testing.assert_allclose(slope["out_bias"], form.scale)


@pytest.mark.parametrize("average", [False, True])
def test_domain_linear_is_a_line_whose_constants_do_not_know_the_centre(losses, average):
    form = DomainLinear(average=average).centred(losses)
    assert size(form) == (2 if average else 1 + DOMAINS)
    np.testing.assert_allclose(form.centre, losses.mean(axis=0), atol=0.1)
    params = unpack(form, jnp.asarray(np.random.default_rng(3).standard_normal(size(form))))
    c = {name: float(value) for name, value in form.constants(params).items()}
    slopes = np.full(DOMAINS, c["w1"] / DOMAINS) if average else np.array([c[f"w{i + 1}"] for i in range(DOMAINS)])
    np.testing.assert_allclose(predict(form, params, losses), c["w0"] + losses @ slopes, rtol=1e-12)
    assert len(c) == size(form)


def test_guess_of_a_line_is_the_weighted_mean(losses, scores):
    form = DomainLinear().centred(losses)
    weight = (np.arange(ROWS) % 4 > 0).astype(float)
    start = form.guess(jnp.asarray(losses), jnp.asarray(scores), jnp.asarray(weight))
    np.testing.assert_allclose(predict(form, start, losses), np.average(scores, weights=weight), rtol=1e-12)
    assert pack(form, start).shape == (1 + DOMAINS,)
