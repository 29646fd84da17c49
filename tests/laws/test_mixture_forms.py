"""Mixture laws against the paper's formulas: their scale constants, their limits, and sources without compute."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.ladder.features import Features
from flpjax.laws.law import pack, size, unpack
from flpjax.laws.mixture_laws import M3E, BiMix, MixChinchilla, MixExponential
from flpjax.laws.mixture_loss import M2, M3, M4
from flpjax.laws.power_law import Chinchilla, PowerLaw
from flpjax.laws.sources import contrasts

FINITE = {
    **{f"M2 floor {s}": M2(s, floor=0.01) for s in (2, 3)},
    **{f"M3 {s}": M3(s) for s in (2, 3, 5)},
    **{f"M4 floor {s}": M4(s, floor=0.01) for s in (2, 3)},
    **{f"MixExponential {s}": MixExponential((1 / s,) * s) for s in (2, 3)},
    "BiMix floor 3": BiMix(3, floor=0.01),
    **{f"M3E {s}": M3E(s) for s in (2, 3, 5)},
    **{f"MixChinchilla {s}": MixChinchilla(s) for s in (2, 3, 5)},
}


def one_row(weights, log_params=20.7, log_tokens=24.3):
    log_flops = np.log(6.0) + log_params + log_tokens
    return Features.of_logs(*(jnp.asarray(v) for v in (log_params, log_tokens, log_flops)), jnp.asarray(weights))


def parameters(law, seed=1):
    """Of ordinary size, none of them special."""
    loc = [p.loc for p in law.parameters().values() for _ in range(np.prod(p.shape, dtype=int))]
    return unpack(law, jnp.asarray(loc + 0.3 * np.random.default_rng(seed).standard_normal(size(law))))


def name_of(law):
    return type(law).__name__


def floats(constants):
    return {name: float(value) for name, value in constants.items()}


@pytest.mark.parametrize("sources", [2, 3, 5, 17])
def test_contrasts_are_orthonormal_and_have_no_mean(sources):
    basis = contrasts(sources)
    assert basis.shape == (sources, sources - 1)
    np.testing.assert_allclose(basis.T @ basis, np.eye(sources - 1), atol=1e-14)
    np.testing.assert_allclose(basis.sum(axis=0), 0.0, atol=1e-14)


def test_two_contrasts_by_hand():
    np.testing.assert_allclose(contrasts(2), np.array([[-1.0], [1.0]]) / np.sqrt(2.0))


@pytest.mark.parametrize("ratio", [1e-3, 1.0, 1e5])
def test_only_the_product_of_the_scales_matters(ratio):
    """Any C_T, C_G, C_C with the product that ``log_K`` tells give eq. 5; so do those of M2."""
    flops, general, code = 3.1e21, 0.7, 0.3
    x = one_row([general, code]).replace(flops=jnp.log(flops))
    law = M4(2, centre=47.0)
    params = {"log_level": 0.9, "exponent": -0.06, "exponents": (-0.02, 0.013)}
    c = floats(law.constants(jax.tree.map(jnp.asarray, {**params, "exponents": np.array(params["exponents"])})))
    C_G, C_C = 1e19, 1e19 * ratio
    rest = -c["log_K"] - c["alpha_1"] * np.log(C_G) - c["alpha_2"] * np.log(C_C)
    C_T = np.exp(rest / c["alpha_C"])
    eq_5 = (flops / C_T) ** c["alpha_C"] * (flops * general / C_G) ** c["alpha_1"]
    eq_5 *= (flops * code / C_C) ** c["alpha_2"]
    arrays = {name: jnp.asarray(value) for name, value in params.items()}
    assert float(law.apply(arrays, x)) == pytest.approx(eq_5, rel=1e-11)
    m2 = M2(2, centre=47.0)
    arrays = {"log_level": jnp.asarray(0.9), "exponents": jnp.asarray([-0.05, -0.02])}
    c = floats(m2.constants(arrays))
    C_G = np.exp((-c["log_K"] - c["alpha_2"] * np.log(C_C)) / c["alpha_1"])
    product = (flops * general / C_G) ** c["alpha_1"] * (flops * code / C_C) ** c["alpha_2"]
    assert float(m2.apply(arrays, x)) == pytest.approx(product, rel=1e-11)


@pytest.mark.parametrize("sources", [2, 3, 5])
def test_limits_of_the_candidates(sources):
    """M4 whose α_C is 0 is M2; with source exponents 0 it is M1; M3 with equal worths is M1; M1 is the power law."""
    x = one_row(np.random.default_rng(0).dirichlet(np.ones(sources)))
    level, alphas = jnp.asarray(0.9), jnp.asarray(np.linspace(-0.04, 0.01, sources))
    m4, m2 = M4(sources, centre=46.0), M2(sources, centre=46.0)
    as_m2 = m4.apply({"log_level": level, "exponent": alphas.sum(), "exponents": alphas}, x)
    assert float(as_m2) == pytest.approx(float(m2.apply({"log_level": level, "exponents": alphas}, x)), rel=1e-13)
    m1 = PowerLaw(46.0)
    params = {"log_level": level, "exponent": jnp.asarray(-0.06)}
    constants = floats(m1.constants(params))
    truth = (np.exp(float(x.log_flops)) / constants["C_N"]) ** constants["alpha_N"]
    assert float(m1.apply(params, x)) == pytest.approx(truth, rel=1e-11)
    assert float(m4.apply({**params, "exponents": 0.0 * alphas}, x)) == pytest.approx(truth, rel=1e-11)
    m3 = M3(sources, centre=46.0)
    assert float(m3.apply({**params, "worth": jnp.zeros(sources - 1)}, x)) == pytest.approx(truth, rel=1e-11)


def test_equal_worths_leave_chinchilla_s_law():
    law, plain = MixChinchilla(3), Chinchilla()
    params = parameters(plain)
    x = one_row([0.2, 0.5, 0.3])
    own = law.apply({**params, "worth": jnp.zeros(2)}, x)
    assert float(own) == pytest.approx(float(plain.apply(params, x.replace(mix=()))), rel=1e-13)


@pytest.mark.parametrize("name", FINITE)
def test_sources_without_compute_are_finite_with_finite_gradients(name):
    law = FINITE[name]
    vector = pack(law, parameters(law))

    @jax.jit
    def slopes(weights):
        def value(v, w):
            return law.apply(unpack(law, v), one_row(w))

        return value(vector, weights), jax.grad(value, (0, 1))(vector, weights)

    assert not law.singular
    for corner in np.eye(law.sources):
        value, (by_parameter, by_weight) = slopes(corner)
        assert np.isfinite(value)
        assert value > 0
        assert np.isfinite(by_parameter).all()
        assert np.isfinite(by_weight).all()
        inside = (1 - 1e-9) * corner + 1e-9 / law.sources
        assert float(slopes(inside)[0]) == pytest.approx(float(value), rel=1e-5), "no jump at the face"
        # One-sided differences along the simplex, from the corner to its neighbour.
        towards, h = np.roll(corner, 1) - corner, 1e-7
        slope = (float(slopes(corner + h * towards)[0]) - float(value)) / h
        assert slope == pytest.approx(float(by_weight @ towards), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("law", [M2(3), M4(3), BiMix(3)], ids=name_of)
def test_without_a_floor_a_missing_source_is_declared_singular(law):
    assert law.singular
    value = float(law.apply(parameters(law), one_row([0.0, 0.6, 0.4])))
    assert value == 0.0 or np.isinf(value)


@pytest.mark.parametrize("law", [M2(3), M4(3), BiMix(3)], ids=name_of)
def test_a_floor_is_a_share_that_every_source_gets_more(law):
    floored = type(law)(3, floor=0.02)
    params = parameters(law)
    more = law.apply(params, one_row([0.32, 0.02, 0.72]))
    assert float(floored.apply(params, one_row([0.3, 0.0, 0.7]))) == pytest.approx(float(more), rel=1e-13)


@pytest.mark.parametrize("law", [M2, M4, BiMix])
@pytest.mark.parametrize("floor", [0.0, -0.01, 1.0, 1.5])
def test_a_floor_that_is_no_share_is_refused(law, floor):
    message = f"the floor {floor:g} is no share. Give one between 0 and 1, say 0.01, or None"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        law(floor=floor)


def permuted(law, params, order):
    """The same law of sources in another order, from the constants alone: contrasts are those of permuted logs."""
    moved = dict(params)
    if "exponents" in params:
        moved["exponents"] = params["exponents"][order]
    for name, symbol in (("worth", "w"), ("slopes", "t")):
        if name in params:
            c = floats(law.constants(params))
            values = np.array([c[f"{symbol}_{i + 1}"] for i in order])
            logs = np.log(values) if symbol == "w" else values
            assert logs.sum() == pytest.approx(0.0, abs=1e-12)
            moved[name] = jnp.asarray(contrasts(law.sources).T @ logs)
    return moved


@pytest.mark.parametrize(
    "law", [M2(3), M3(3), M4(3), M3E(3), MixChinchilla(3), MixExponential((0.5, 0.2, 0.3))], ids=name_of
)
def test_no_source_is_set_apart(law):
    order, weights = np.array([2, 0, 1]), np.array([0.2, 0.5, 0.3])
    params = parameters(law)
    there = law
    if isinstance(law, MixExponential):
        there = MixExponential(tuple(law.centre[i] for i in order))
    value = there.apply(permuted(law, params, order), one_row(weights[order]))
    assert float(value) == pytest.approx(float(law.apply(params, one_row(weights))), rel=1e-12)
    if "worth" in params:
        worths = [v for k, v in floats(law.constants(params)).items() if k.startswith("w_")]
        assert np.prod(worths) == pytest.approx(1.0, rel=1e-12)


def test_the_own_share_is_all_that_bimix_knows():
    law = BiMix(3)
    params = parameters(law)
    one, two = (float(law.apply(params, one_row([0.3, *rest]))) for rest in ((0.7, 0.0), (0.2, 0.5)))
    assert one == two


@pytest.mark.parametrize("sources", [2, 3, 5])
def test_centred_takes_the_number_of_sources_from_the_runs(sources):
    rng = np.random.default_rng(3)
    weights = rng.dirichlet(np.ones(sources), 7)
    x = Features.of_logs(rng.uniform(18, 22, 7), rng.uniform(22, 26, 7), rng.uniform(42, 50, 7), weights)
    for law in (M2(), M3(), M4(), M3E(), BiMix(), MixChinchilla(), MixExponential()):
        moved = law.centred(x)
        assert moved.sources == sources
        assert moved.mixtures_needed in (2, sources, sources + 1)
        assert sum(np.prod(p.shape, dtype=int) for p in moved.parameters().values()) == size(moved)
    np.testing.assert_allclose(MixExponential().centred(x).centre, weights.mean(axis=0), atol=5e-4)
