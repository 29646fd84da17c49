"""The grammar against its formula written out in NumPy, and the solver's view of it against the law's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.engine.batch import solve
from flpjax.engine.settings import Status
from flpjax.errors import InputError
from flpjax.laws.grammar import Expression, Term
from flpjax.laws.law import affine, pack, prior_normal, size, unpack
from flpjax.laws.residual import Residual
from flpjax.laws.tabulated import Tabulated

ROWS = 41
DOMAINS = ("web", "code", "math")
CENTRE, SPREAD = (2.7, 1.3, 1.9), (0.31, 0.17, 0.23)
TERMS = (
    Term("average"),
    Term("domain", ("code",)),
    Term("square", ("math",)),
    Term("hinge", ("web",), 0.3),
    Term("product", ("web", "math")),
)
SLOPES = (-0.07, -0.03, 0.02, 0.05, 0.01)


def expression(link="identity", **fields):
    return Expression(TERMS, DOMAINS, link, 0.25, centre=CENTRE, spread=SPREAD, **fields)


CASES = {
    "identity": (expression(), {"constant": 0.45}),
    "logit": (expression("logit"), {"constant": -0.4, "reach": 0.83}),
    "logit to 0.9": (expression("logit", ceiling=0.9), {"constant": -0.4}),
    "exponential": (expression("exponential"), {"constant": -1.6, "floor": 0.04}),
}
SCALE = {"identity": 1.0, "logit": 9.0, "exponential": 5.0}  # of the slopes


@pytest.fixture(params=CASES)
def case(request):
    law, params = CASES[request.param]
    own = params | {"slopes": np.array(SLOPES) * SCALE[law.link]}
    return law, {name: jnp.asarray(own[name]) for name in law.parameters()}


def losses(seed=3):
    return np.array(CENTRE) + np.array(SPREAD) * np.random.default_rng(seed).standard_normal((ROWS, len(DOMAINS)))


def on_paper(law, params, x):
    z = (x - CENTRE) / SPREAD
    average = (x.mean(1) - np.mean(CENTRE)) / np.mean(SPREAD)
    columns = [average, z[:, 1], z[:, 2] ** 2, np.maximum(0.0, 0.3 - z[:, 0]), z[:, 0] * z[:, 2]]
    eta = float(params["constant"]) + np.array(columns).T @ np.asarray(params["slopes"])
    if law.link == "identity":
        return eta
    if law.link == "exponential":
        return 0.25 + float(params["floor"]) + np.exp(eta)
    top = 0.25 + 0.75 * float(params["reach"]) if law.ceiling is None else law.ceiling
    return 0.25 + (top - 0.25) / (1.0 + np.exp(-eta))


def values(law, params, x):
    return np.asarray(jax.jit(jax.vmap(law.apply, (None, 0)))(params, jnp.asarray(x)))


def test_the_formula_on_paper(case):
    law, params = case
    x = losses()
    np.testing.assert_allclose(values(law, params, x), on_paper(law, params, x), rtol=1e-12)
    one = law.apply(params, jnp.asarray(x[7]))
    assert one.shape == ()
    np.testing.assert_allclose(one, on_paper(law, params, x)[7], rtol=1e-12)
    np.testing.assert_allclose(law.features(x), law.features(jnp.asarray(x)), rtol=1e-13, atol=1e-15)


def test_vector_and_back(case):
    law, params = case
    vector = pack(law, params)
    assert vector.shape == (size(law),) == prior_normal(law)[0].shape
    back = unpack(law, vector)
    assert list(back) == list(law.parameters())
    for name, value in params.items():
        np.testing.assert_allclose(back[name], value, rtol=1e-12)
    assert affine(law, "linear") == (tuple(range(6)) if law.link == "identity" else (6,) * (law.link[0] == "e"))


@pytest.mark.parametrize("width", [5, 7])
def test_tabulated_is_the_form_s_residual(case, width):
    law, params = case
    x, y = losses(), np.linspace(0.3, 0.7, ROWS)
    table = np.zeros((ROWS, width))
    table[:, : len(TERMS)] = law.features(x)
    residual = Tabulated(law.link, law.free, width)
    own = np.asarray(pack(law, params))
    filled = np.concatenate([own[:6], np.full(width - 5, 0.7), own[6:]])
    ceiling = 1.0 if law.ceiling is None else law.ceiling
    found = [residual(jnp.asarray(filled), (jnp.asarray(table[i]), 0.25, ceiling, y[i])) for i in (0, 17)]
    np.testing.assert_allclose(found, (on_paper(law, params, x) - y)[[0, 17]], rtol=1e-11, atol=1e-13)
    loc, scale = residual.prior
    np.testing.assert_array_equal(np.delete(loc, np.s_[6 : 1 + width]), prior_normal(law)[0])
    np.testing.assert_array_equal(np.delete(scale, np.s_[6 : 1 + width]), prior_normal(law)[1])


@pytest.mark.parametrize("case", ["logit"], indirect=True)
def test_recovers_its_own_curve(case):
    law, params = case
    x = losses()
    y = on_paper(law, params, x)
    start = pack(law, law.guess(jnp.asarray(x), jnp.asarray(y), jnp.ones(ROWS)))
    linear = tuple(range(6)) if law.link == "identity" else ()
    data, ones = (x[None], y[None]), np.ones((1, ROWS))
    found = solve(Residual(law, "linear"), data, ones, ones, np.asarray(start)[None, None], linear=linear)
    assert found.status[0, 0] == Status.CONVERGED
    for name, value in unpack(law, jnp.asarray(found.vector[0, 0])).items():
        np.testing.assert_allclose(value, params[name], rtol=1e-6, atol=1e-8, err_msg=name)


def test_the_guess_is_near():
    law, params = CASES["logit"][0], {"constant": -0.4, "slopes": 9.0 * np.array(SLOPES), "reach": 0.83}
    x = losses()
    y = on_paper(law, params, x)
    weight = np.where(np.arange(ROWS) < 37, 1.0, 0.0)
    y[37:] = 0.99  # rows without weight say nothing
    guessed = values(law, law.guess(jnp.asarray(x), jnp.asarray(y), jnp.asarray(weight)), x)
    assert np.abs(guessed - y)[:37].max() < 0.03


def test_centred():
    x = losses()
    law = expression().centred(x)
    np.testing.assert_allclose(law.centre, x.mean(0), atol=0.005)
    np.testing.assert_allclose(law.spread, x.std(0), atol=0.005)
    assert expression().centred(np.ones((5, 3))).spread == (1.0, 1.0, 1.0)
    assert hash(law) == hash(expression().centred(x))
    assert law == expression().centred(x) != expression()


def test_words():
    assert str(expression()) == (
        "c0 + c1·z(average) + c2·z(code) + c3·z(math)² + c4·max(0, 2.79 − web)/0.31 + c5·z(web)·z(math)"
    )
    code = Expression((Term("domain", ("code",)),), DOMAINS, "logit", 0.25)
    params = {"constant": jnp.asarray(0.5), "slopes": jnp.asarray([-1.25]), "reach": jnp.asarray(0.8)}
    assert str(code) == "0.25 + (ceiling − 0.25)·σ(c0 + c1·z(code))"
    assert code.words(params) == "0.25 + (0.85 − 0.25)·σ(0.5 − 1.25·z(code))"
    grows = Expression((Term("domain", ("code",)),), DOMAINS, "exponential", 0.25)
    assert grows.words(params | {"floor": jnp.asarray(-0.05)}) == "0.2 + exp(0.5 − 1.25·z(code))"
    known = grows.constants(params | {"floor": jnp.asarray(-0.05)})
    assert {name: round(float(v), 9) for name, v in known.items()} == {"constant": 0.5, "z(code)": -1.25, "floor": 0.2}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Term("hnge", ("code",)), "there is no term 'hnge'. Did you mean 'hinge'?"),
        (lambda: Term("product", ("code",)), r"the domains of a term 'product' are \('code',\). Give a tuple of 2"),
        (lambda: Term("domain", "code"), "the domains of a term 'domain' are 'code'"),
        (lambda: Term("hinge", ("code",), np.nan), "the knot is nan"),
        (lambda: Expression((), DOMAINS), r"the terms are \(\). Give a tuple of Terms"),
        (lambda: Expression(("code",), DOMAINS), r"the terms are \('code',\)"),
        (lambda: Expression((TERMS[0], TERMS[0]), DOMAINS), "a term stands twice"),
        (lambda: Expression((Term("domain", ("cod",)),), DOMAINS), "no loss domain 'cod'. Did you mean 'code'?"),
        (lambda: Expression(TERMS, DOMAINS, "logistic"), "there is no link 'logistic'"),
        (lambda: Expression(TERMS, DOMAINS, "identity", ceiling=0.9), "the ceiling 0.9 .* link 'identity'"),
        (lambda: Expression(TERMS, DOMAINS, "logit", 0.5, 0.4), "the ceiling 0.4 over a chance level of 0.5"),
    ],
)
def test_errors(make, message):
    with pytest.raises(InputError, match=message):
        make()
