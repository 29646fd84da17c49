"""Every law, from one table of constructors: its algebra, its start, its priors, and recovery of what is known.

Adding a law is adding a row to CASES: the law, true parameters, and the paper's formula in the paper's symbols.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import optimize, stats

from flpjax.centres import with_centres, without_centres
from flpjax.engine.batch import solve
from flpjax.engine.settings import Status
from flpjax.errors import InputError
from flpjax.ladder.features import Features
from flpjax.laws import domain_sigmoid, hinge, loss_score, mixture_laws, mixture_loss, network, power_law
from flpjax.laws.domain_sigmoid import DomainSigmoid
from flpjax.laws.hinge import Hinge
from flpjax.laws.law import POSITIVE, REAL, UNIT, Law, pack, prior_normal, size, spread_starts, unpack
from flpjax.laws.loss_score import Exponential, FallingSigmoid, Linear, Saturating, Sigmoid
from flpjax.laws.mixture_laws import M3E, BiMix, MixChinchilla, MixExponential
from flpjax.laws.mixture_loss import M2, M3, M4
from flpjax.laws.network import DomainLinear, Network
from flpjax.laws.power_law import Chinchilla, Flat, LogPowerLaw, PowerLaw, PowerLawE
from flpjax.laws.residual import Residual
from flpjax.numerics import compiled

ROWS, STARTS = 23, 13


class Case(NamedTuple):
    """One row of the table."""

    law: Law
    truth: dict[str, Any]  # a number, or nested tuples
    paper: Callable[[dict[str, Any], Any], Any]  # (constants, x) → value, as printed
    noise: float  # s.d. of the residual in realistic data
    shift: dict[str, Any]  # another centre


def flops(x):
    return np.exp(x.log_flops)


def hoffmann_eq_2(c, x):
    N, D = np.exp(x.log_params), np.exp(x.log_tokens)
    return c["E"] + c["A"] / N ** c["alpha"] + c["B"] / D ** c["beta"]


def gadre_eq_4(c, x):
    N, D = np.exp(x.log_params), np.exp(x.log_tokens)
    return c["E"] + c["A"] * N ** -c["alpha"] + c["B"] * D ** -c["alpha"]


def bhagia_eq_3(c, L):
    return c["lower"] + (c["upper"] - c["lower"]) / (1.0 + np.exp(c["slope"] * (L - c["middle"])))


def compute_per_source(x, floor=0.0):
    return flops(x)[..., None] * (x.weights + floor)


def numbers(c, name, count):
    return np.array([c[f"{name}_{i + 1}"] for i in range(count)])


def chen_m2(c, x, sources, floor=0.0):
    return np.exp(c["log_K"]) * np.prod(compute_per_source(x, floor) ** numbers(c, "alpha", sources), axis=-1)


def chen_m3(c, x):
    return (compute_per_source(x) @ numbers(c, "w", 5) / c["C_T"]) ** c["alpha_C"]


def chen_m3_and_e(c, x):
    return c["E"] + (compute_per_source(x) @ numbers(c, "w", 3) / c["C_T"]) ** c["alpha_C"]


def chen_eq_5(c, x, sources, floor=0.0):
    return chen_m2(c, x, sources, floor) * flops(x) ** c["alpha_C"]


def ye_eq_1(c, x):
    return c["c"] + c["k"] * np.exp(x.weights @ numbers(c, "t", 3))


def ge_eq_5(c, x, floor=0.0):
    r, D = x.weights[..., 0] + floor, np.exp(x.log_tokens)
    return 1.0 / r ** c["alpha"] * (c["B"] / D ** c["beta"] + c["C"])


def chinchilla_of_worths(c, x):
    N, D = np.exp(x.log_params), np.exp(x.log_tokens) * (x.weights @ numbers(c, "w", 3))
    return c["E"] + c["A"] / N ** c["alpha"] + c["B"] / D ** c["beta"]


def two_layers(c, L):
    """With weights by hand: a network has no constants."""
    z1, z2 = (L[..., 0] - 2.6) / 0.4, (L[..., 1] - 2.5) / 0.5
    units = [(0.9, -0.4, 0.3, -1.1), (-0.7, -0.2, 0.1, 0.8), (0.3, 0.6, -0.2, 0.5)]
    return 0.5 + 0.1 * (0.15 + sum(v * np.maximum(0.0, u1 * z1 + u2 * z2 + a) for u1, u2, a, v in units))


HOFFMANN = {"log_level": 1.05, "share": 0.61, "size_share": 0.43, "alpha": 0.34, "beta": 0.28}
CASES = {
    "PowerLaw": Case(
        PowerLaw(centre=47.3),
        {"log_level": 1.07, "exponent": -0.061},
        lambda c, x: (flops(x) / c["C_N"]) ** c["alpha_N"],
        0.01,
        {"centre": 44.1},
    ),
    "LogPowerLaw": Case(
        LogPowerLaw(centre=47.3),
        {"log_level": -0.31, "exponent": -0.113},
        lambda c, x: np.exp(-((flops(x) / c["C_M"]) ** c["alpha_M"])),
        0.01,
        {"centre": 44.1},
    ),
    "Flat": Case(Flat(), {"level": 0.27}, lambda c, x: c["level"] + 0.0 * x.log_flops, 0.01, {}),
    "PowerLawE": Case(
        PowerLawE(centre=47.3),
        {"log_level": 1.07, "share": 0.57, "decay": 0.19},
        lambda c, x: c["E"] + (flops(x) / c["C_N"]) ** c["alpha_N"],
        0.003,
        {"centre": 44.1},
    ),
    "Chinchilla": Case(
        Chinchilla(centre_params=19.7, centre_tokens=23.9),
        HOFFMANN,
        hoffmann_eq_2,
        0.003,
        {"centre_params": 18.1, "centre_tokens": 26.3},
    ),
    "Chinchilla tied": Case(
        Chinchilla(centre_params=19.7, centre_tokens=23.9, tied=True),
        {name: value for name, value in HOFFMANN.items() if name != "beta"},
        gadre_eq_4,
        0.003,
        {"centre_params": 18.1, "centre_tokens": 26.3},
    ),
    "Linear": Case(
        Linear(centre=2.6),
        {"level": 0.47, "slope": -0.31},
        lambda c, L: c["w0"] + c["w1"] * L,
        0.01,
        {"centre": 1.7},
    ),
    "Sigmoid": Case(
        Sigmoid(centre=2.6),
        {"lower": 0.26, "reach": 0.83, "slope": 5.3, "middle": 0.11},
        bhagia_eq_3,
        0.005,
        {"centre": 2.3},
    ),
    "Sigmoid to 1": Case(
        Sigmoid(upper=1.0, centre=2.6),
        {"lower": 0.26, "slope": 3.7, "middle": -0.17},
        bhagia_eq_3,
        0.005,
        {"centre": 2.3},
    ),
    "Sigmoid from 0": Case(
        Sigmoid(upper=1.0, centre=2.6, from_zero=True),
        {"slope": 3.7, "middle": -0.17},
        lambda c, L: 1.0 / (1.0 + np.exp(c["slope"] * (L - c["middle"]))),
        0.005,
        {"centre": 2.3},
    ),
    "Exponential": Case(
        Exponential(centre=2.6),
        {"floor": 0.23, "log_gain": -1.7, "gamma": 1.9},
        lambda c, L: 1.0 - (c["epsilon"] - c["k"] * np.exp(-c["gamma"] * L)),
        0.005,
        {"centre": 1.7},
    ),
    "Saturating": Case(
        Saturating(centre=2.6),
        {"floor": 0.23, "log_gain": -1.7, "gamma": 1.9},
        lambda c, L: 1.0 - c["epsilon"] * np.exp(-c["gain"] * np.exp(-c["gamma"] * L)),
        0.005,
        {"centre": 1.7},
    ),
    "Hinge": Case(
        Hinge(centre=2.6),
        {"floor": 0.23, "slope": 0.6, "threshold": 0.1, "width": 0.08},
        lambda c, L: c["floor"] - c["w1"] * c["width"] * np.log1p(np.exp((c["threshold"] - L) / c["width"])),
        0.005,
        {"centre": 2.3},
    ),
    "FallingSigmoid": Case(
        FallingSigmoid(centre=2.6),
        {"lower": 0.21, "reach": 0.4, "slope": 3.7, "middle": -0.17},
        lambda c, L: c["lower"] + (c["upper"] - c["lower"]) / (1.0 + np.exp(-c["slope"] * (L - c["middle"]))),
        0.005,
        {"centre": 2.3},
    ),
    "FallingSigmoid to chance": Case(
        FallingSigmoid(0.25, 2.6),
        {"reach": 0.4, "slope": 3.7, "middle": -0.17},
        lambda c, L: 0.25 + (c["upper"] - 0.25) / (1.0 + np.exp(-c["slope"] * (L - c["middle"]))),
        0.005,
        {"centre": 2.3},
    ),
    "M2": Case(
        M2(sources=3, centre=47.3),
        {"log_level": 0.97, "exponents": (-0.043, -0.024, 0.007)},
        partial(chen_m2, sources=3),
        0.003,
        {"centre": 44.1},
    ),
    "M2 floor": Case(
        M2(sources=2, floor=0.013, centre=47.3),
        {"log_level": 0.97, "exponents": (-0.037, -0.021)},
        partial(chen_m2, sources=2, floor=0.013),
        0.003,
        {"centre": 44.1},
    ),
    "M3": Case(
        M3(sources=5, centre=47.3),
        {"log_level": 0.97, "exponent": -0.059, "worth": (0.9, -0.7, 0.4, -1.1)},
        chen_m3,
        0.001,
        {"centre": 44.1},
    ),
    "M4": Case(
        M4(sources=2, centre=47.3),
        {"log_level": 0.97, "exponent": -0.061, "exponents": (-0.017, 0.009)},
        partial(chen_eq_5, sources=2),
        0.003,
        {"centre": 44.1},
    ),
    "M4 floor": Case(
        M4(sources=3, floor=0.02, centre=47.3),
        {"log_level": 0.97, "exponent": -0.061, "exponents": (-0.017, 0.009, 0.004)},
        partial(chen_eq_5, sources=3, floor=0.02),
        0.003,
        {"centre": 44.1},
    ),
    "MixExponential": Case(
        MixExponential(centre=(0.4, 0.35, 0.25)),
        {"log_level": 0.93, "share": 0.53, "slopes": (-1.3, 0.7)},
        ye_eq_1,
        0.003,
        {"centre": (0.2, 0.5, 0.3)},
    ),
    "BiMix": Case(
        BiMix(sources=2, centre=23.9),
        {"log_level": 0.93, "alpha": 0.071, "share": 0.57, "beta": 0.29},
        ge_eq_5,
        0.003,
        {"centre": 26.3},
    ),
    "BiMix floor": Case(
        BiMix(sources=3, floor=0.013, centre=23.9),
        {"log_level": 0.93, "alpha": 0.071, "share": 0.57, "beta": 0.29},
        partial(ge_eq_5, floor=0.013),
        0.003,
        {"centre": 26.3},
    ),
    "M3E": Case(
        M3E(sources=3, centre=47.3),
        {"log_level": 0.97, "share": 0.52, "decay": 0.14, "worth": (0.9, -0.7)},
        chen_m3_and_e,
        0.002,
        {"centre": 44.1},
    ),
    "MixChinchilla": Case(
        MixChinchilla(sources=3, centre_params=19.7, centre_tokens=23.9),
        {**HOFFMANN, "worth": (0.9, -0.7)},
        chinchilla_of_worths,
        0.002,
        {"centre_params": 18.1, "centre_tokens": 26.3},
    ),
    "DomainSigmoid": Case(
        DomainSigmoid(centre=(2.6, 2.3, 1.9)),
        {"lower": 0.24, "reach": 0.71, "level": 0.3, "slopes": (-2.1, -0.9, -1.4)},
        lambda c, L: (
            c["lower"]
            + (c["upper"] - c["lower"])
            / (1.0 + np.exp(-c["w0"] - c["w1"] * L[..., 0] - c["w2"] * L[..., 1] - c["w3"] * L[..., 2]))
        ),
        0.01,
        {"centre": (1.7, 1.9, 2.2)},
    ),
    "DomainLinear": Case(
        DomainLinear(centre=(2.6, 2.3, 1.9)),
        {"level": 0.47, "slopes": (-0.31, -0.07, 0.05)},
        lambda c, L: c["w0"] + c["w1"] * L[..., 0] + c["w2"] * L[..., 1] + c["w3"] * L[..., 2],
        0.01,
        {"centre": (1.7, 1.9, 2.2)},
    ),
    "DomainLinear average": Case(
        DomainLinear(centre=(2.6, 2.3, 1.9), average=True),
        {"level": 0.47, "slopes": (-0.31,)},
        lambda c, L: c["w0"] + c["w1"] * (L[..., 0] + L[..., 1] + L[..., 2]) / 3.0,
        0.01,
        {"centre": (1.7, 1.9, 2.2)},
    ),
    "Network": Case(
        Network(centre=(2.6, 2.5), spread=(0.4, 0.5), level=0.5, scale=0.1),
        {
            "hidden_weight": ((0.9, -0.4), (-0.7, -0.2), (0.3, 0.6)),
            "hidden_bias": (0.3, 0.1, -0.2),
            "out_weight": (-1.1, 0.8, 0.5),
            "out_bias": 0.15,
        },
        two_layers,
        0.01,
        {"centre": (1.7, 1.9)},
    ),
}
SOLVED = {name: case for name, case in CASES.items() if name != "Network"}  # a network is trained: test_recipe.py
KINDS = ("Chinchilla", "Sigmoid", "M3")
REFIT = {name: SOLVED[name] for name in KINDS}  # by our solver about two centres: each fit is a program to compile
FLAT = (Flat, MixExponential, BiMix, DomainLinear, Network)  # whose guess says nothing about what varies
ON_FLOPS = (Flat, PowerLaw, LogPowerLaw, PowerLawE)
LOSS_FORMS = (PowerLaw, PowerLawE, Chinchilla, M2, M3, M4, M3E, MixExponential, BiMix, MixChinchilla)
BUILD_AGAIN = {  # equal by value, another object
    "PowerLaw": lambda: PowerLaw(47.3),
    "LogPowerLaw": lambda: LogPowerLaw(47.3),
    "Flat": Flat,
    "PowerLawE": lambda: PowerLawE(47.3),
    "Chinchilla": lambda: Chinchilla(19.7, 23.9),
    "Chinchilla tied": lambda: Chinchilla(19.7, 23.9, True),
    "Linear": lambda: Linear(2.6),
    "Sigmoid": lambda: Sigmoid(None, 2.6),
    "Sigmoid to 1": lambda: Sigmoid(1.0, 2.6),
    "Sigmoid from 0": lambda: Sigmoid(1.0, 2.6, True),
    "Exponential": lambda: Exponential(2.6),
    "Saturating": lambda: Saturating(2.6),
    "Hinge": lambda: Hinge(2.6),
    "FallingSigmoid": lambda: FallingSigmoid(None, 2.6),
    "FallingSigmoid to chance": lambda: FallingSigmoid(0.25, 2.6),
    "M2": lambda: M2(3, None, 47.3),
    "M2 floor": lambda: M2(2, 0.013, 47.3),
    "M3": lambda: M3(5, 47.3),
    "M4": lambda: M4(2, None, 47.3),
    "M4 floor": lambda: M4(3, 0.02, 47.3),
    "MixExponential": lambda: MixExponential((0.4, 0.35, 0.25)),
    "BiMix": lambda: BiMix(2, None, 23.9),
    "BiMix floor": lambda: BiMix(3, 0.013, 23.9),
    "M3E": lambda: M3E(3, 47.3),
    "DomainSigmoid": lambda: DomainSigmoid((2.6, 2.3, 1.9)),
    "MixChinchilla": lambda: MixChinchilla(3, 19.7, 23.9),
    "DomainLinear": lambda: DomainLinear((2.6, 2.3, 1.9)),
    "DomainLinear average": lambda: DomainLinear((2.6, 2.3, 1.9), True),
    "Network": lambda: Network(3, (2.6, 2.5), (0.4, 0.5), 0.5, 0.1),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    return request.param


@pytest.fixture(params=SOLVED.values(), ids=SOLVED.keys())
def solved(request):
    return request.param


@pytest.fixture(params=REFIT.values(), ids=REFIT.keys())
def refit(request):
    return request.param


def inputs(law):
    """``ROWS`` rows of what the law takes: losses, or the compute of a ladder whose N, D and mixture vary freely."""
    rng = np.random.default_rng(11)
    if isinstance(law, DomainLinear | DomainSigmoid | Network):
        return rng.uniform(1.85, 3.35, (ROWS, len(law.centre)))
    if not hasattr(law, "centre_params") and not hasattr(law, "sources") and not isinstance(law, ON_FLOPS):
        return np.linspace(1.85, 3.35, ROWS)
    log_params, log_tokens = rng.uniform(17.5, 22.0, ROWS), rng.uniform(21.5, 26.5, ROWS)
    compute = Features.of_logs(log_params, log_tokens, np.log(6.0) + log_params + log_tokens)
    if not hasattr(law, "sources"):
        return compute
    weights = rng.dirichlet(np.ones(law.sources), ROWS)
    if not law.singular:  # some runs without the first source, row 3 among them, and some with nothing else
        weights[[3, 8], 0], weights[14] = 0.0, np.eye(law.sources)[0]
        weights /= weights.sum(axis=1, keepdims=True)
    return compute.replace(mix=weights)


def space(law):
    return "log" if isinstance(law, LOSS_FORMS) else "linear"


def values(law, params, x):
    return np.asarray(_curve(law, params, jax.tree.map(jnp.asarray, x)))


@partial(compiled, static_argnums=0)
def _curve(law, params, x):
    return jax.vmap(law.apply, (None, 0))(params, x)


def truth(case):
    return {name: jnp.asarray(value) for name, value in case.truth.items()}


def guess(law, x, y, weight):
    """Starts of problems ``y (problem, row)`` with weights of their own at one ``x``."""
    starts = [_guess(law, x, *own) for own in zip(np.asarray(y), np.asarray(weight), strict=True)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *starts)


@partial(jax.jit, static_argnums=0)
def _guess(law, x, y, weight):
    return law.guess(x, y, weight)


def row(x, i):
    return jax.tree.map(lambda leaf: leaf[i], x)


def noisy(case, sd, seed=5):
    """Values of the true curve with noise: relative for losses, absolute for scores."""
    y = values(case.law, truth(case), inputs(case.law))
    noise = sd * np.random.default_rng(seed).standard_normal(ROWS)
    return y * np.exp(noise) if space(case.law) == "log" else y + noise


def centre(case):
    """The case's own centre, as fields of its law."""
    return {name: getattr(case.law, name) for name in case.shift}


@cache
def fit(law):
    """Least squares of two problems: the law's case without noise (0) and with (1), whatever centre ``law`` has."""
    (case,) = [c for c in CASES.values() if type(c.law) is type(law) and replace(law, **centre(c)) == c.law]
    x, y = jax.tree.map(jnp.asarray, inputs(law)), jnp.stack([noisy(case, 0.0), noisy(case, case.noise)])
    weight = jnp.ones(y.shape)
    first = np.stack([pack(law, row(guess(law, x, y, weight), problem)) for problem in range(2)])
    starts = spread_starts(law, first, STARTS, np.random.default_rng(3))
    data = (jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), x), y)
    return solve(Residual(law, space(law)), data, weight, jnp.ones((1, ROWS)), starts)


@cache
def linearised(law):
    """Unconstrained parameters, and a weight of each row → the curve at the law's inputs, its Jacobian, and the
    gradient of the weighted sum in reverse: one program a law.
    """
    x = jax.tree.map(jnp.asarray, inputs(law))

    def curve(vector):
        return jax.vmap(law.apply, (None, 0))(unpack(law, vector), x)

    def all_three(vector, rows):
        value, back = jax.vjp(curve, vector)
        return value, jax.jacfwd(curve)(vector), *back(rows)

    return jax.jit(all_three)


def by_scipy(case):
    """Parameters that scipy's Levenberg-Marquardt finds on data without noise, from the first start that gets there."""
    law, y, program = case.law, noisy(case, 0.0), linearised(case.law)
    start = pack(law, row(guess(law, inputs(law), y[None], np.ones((1, ROWS))), 0))
    log = space(law) == "log"

    def residual(vector):
        value = np.asarray(program(vector, y)[0])
        return np.log(value) - np.log(y) if log else value - y

    def slope(vector):
        value, jacobian, _ = program(vector, y)
        return np.asarray(jacobian / value[:, None] if log else jacobian)

    for first in spread_starts(law, np.asarray(start)[None], STARTS, np.random.default_rng(3))[0]:
        if np.isfinite(residual(first)).all():
            seen = optimize.least_squares(residual, first, slope, method="lm", ftol=1e-15, xtol=1e-15, gtol=1e-15)
            if seen.cost < 1e-24:
                return unpack(law, jnp.asarray(seen.x))
    raise AssertionError("no start reached the truth")


def fitted(law, problem):
    """Parameters of one of the two fits."""
    return unpack(law, jnp.asarray(fit(law).vector[0, problem]))


def test_every_form_is_in_the_table():
    forms = {
        f
        for m in (power_law, loss_score, hinge, mixture_loss, mixture_laws, network, domain_sigmoid)
        for f in vars(m).values()
        if isinstance(f, type) and f.__module__ == m.__name__
    }
    assert forms == {type(case.law) for case in CASES.values()}
    assert BUILD_AGAIN.keys() == CASES.keys()


def test_true_parameters_are_the_form_s(case):
    assert list(case.law.parameters()) == list(case.truth)
    assert size(case.law) == sum(np.size(value) for value in case.truth.values())
    for name, parameter in case.law.parameters().items():
        assert np.shape(case.truth[name]) == parameter.shape, name
        assert np.all(parameter.support(jnp.asarray(case.truth[name]))), name
        assert parameter.about


@pytest.mark.parametrize("name", CASES)
def test_equal_by_value(name):
    law, again = CASES[name].law, BUILD_AGAIN[name]()
    assert law is not again
    assert law == again
    assert hash(law) == hash(again)
    assert hash(Residual(law, huber=1e-3)) == hash(Residual(again, huber=1e-3))
    assert Residual(law, huber=1e-3) == Residual(again, huber=1e-3) != Residual(again, huber=2e-3)
    others = [case.law for other, case in CASES.items() if other != name]
    assert law not in [*others, *(replace(law, **{k: v}) for k, v in CASES[name].shift.items())]


def test_jit_and_vmap_are_a_loop(case):
    """Row by row without compiling: each gives a scalar, the same as all rows in one program."""
    x = inputs(case.law)
    loop = [case.law.apply(truth(case), row(x, i)) for i in range(ROWS)]
    assert {(jnp.shape(value), value.dtype) for value in loop} == {((), jnp.dtype("float64"))}
    np.testing.assert_allclose(values(case.law, truth(case), x), np.array(loop), rtol=1e-13)


def test_vmap_over_draws_and_rows(case):
    draws = 7
    params = {name: np.multiply.outer(np.linspace(0.9, 1.1, draws), value) for name, value in case.truth.items()}
    x = jax.tree.map(jnp.asarray, inputs(case.law))
    grid = jax.jit(jax.vmap(jax.vmap(case.law.apply, (None, 0)), (0, None)))(params, x)
    assert grid.shape == (draws, ROWS)
    own = case.law.apply({name: value[5] for name, value in params.items()}, row(x, 17))
    np.testing.assert_allclose(grid[5, 17], own, rtol=1e-13)


def test_pack_and_unpack_round_trip(case):
    vector = pack(case.law, truth(case))
    assert vector.shape == (size(case.law),)
    back = unpack(case.law, vector)
    assert list(back) == list(case.truth)
    for name, value in case.truth.items():
        np.testing.assert_allclose(back[name], value, rtol=1e-12, err_msg=name)
    free = jnp.asarray(np.random.default_rng(2).normal(size=size(case.law)))
    np.testing.assert_allclose(pack(case.law, unpack(case.law, free)), free, rtol=1e-10, atol=1e-12)


def test_gradient_is_the_finite_difference(case):
    vector, program, h = np.asarray(pack(case.law, truth(case))), linearised(case.law), 1e-5
    rows = np.random.default_rng(1).normal(size=ROWS)
    steps = h * np.eye(len(vector))
    central = [(program(vector + e, rows)[0] - program(vector - e, rows)[0]) / (2 * h) for e in steps]
    _, forward, reverse = program(vector, rows)
    assert forward.shape == (ROWS, size(case.law))
    np.testing.assert_allclose(forward, np.transpose(central), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(reverse, rows @ np.asarray(forward), rtol=1e-10, atol=1e-13)


def test_constants_are_the_paper_s(case):
    """About whatever centre: they belong to the law, not to the ladder."""
    x = inputs(case.law)
    moved = [] if isinstance(case.law, Network) else [replace(case.law, **case.shift)]  # a network has no constants
    for law in (case.law, *moved):
        constants = {name: float(value) for name, value in law.constants(truth(case)).items()}
        np.testing.assert_allclose(values(law, truth(case), x), case.paper(constants, x), rtol=1e-11)


def test_laws_about_other_centres_share_programs(case):
    """Of values, and of what they say of themselves: none needs to know its centre when it is compiled."""
    x = inputs(case.law)
    y = values(case.law, truth(case), x)
    compiled_before = _curve._cache_size()
    for law in (case.law, replace(case.law, **case.shift)):
        shared, centres = without_centres(law)
        assert shared == without_centres(case.law)[0]
        assert with_centres(shared, centres) == law
        values(law, truth(case), x)
        for ask in (lambda law: law.constants(truth(case)), lambda law: law.guess(x, jnp.asarray(y), jnp.ones(ROWS))):
            jax.eval_shape(lambda centres, shared=shared, ask=ask: ask(with_centres(shared, centres)), centres)
    assert _curve._cache_size() == compiled_before


def test_recovers_what_is_known(solved):
    """From its guess and starts around it; that our own solver converges on each kind of law is shown below."""
    params = by_scipy(solved)
    for name, value in solved.truth.items():
        np.testing.assert_allclose(params[name], value, rtol=1e-7, err_msg=name)


def test_our_solver_recovers_what_is_known(refit):
    assert fit(refit.law).status[0, 0] == Status.CONVERGED
    params = fitted(refit.law, 0)
    for name, value in refit.truth.items():
        np.testing.assert_allclose(params[name], value, rtol=1e-7, err_msg=name)


def test_curve_does_not_depend_on_the_centre(refit):
    """Refits of noisy data about two centres are one curve with one objective."""
    moved, x = replace(refit.law, **refit.shift), inputs(refit.law)
    here, there = fit(refit.law), fit(moved)
    assert here.status[0, 1] == there.status[0, 1] == Status.CONVERGED
    curve = values(refit.law, fitted(refit.law, 1), x)
    np.testing.assert_allclose(values(moved, fitted(moved, 1), x), curve, rtol=1e-9)
    np.testing.assert_allclose(there.value[0, 1], here.value[0, 1], rtol=1e-10)
    assert here.agree[0, 1] > 1.5 / STARTS


def test_constants_do_not_know_the_centre(refit):
    """They belong to the law, not to the ladder: a refit about another centre finds the same ones."""
    moved = replace(refit.law, **refit.shift)
    constants, known = moved.constants(fitted(moved, 0)), refit.law.constants(truth(refit))
    assert constants.keys() == known.keys()
    for name, value in known.items():
        far = name in ("C_N", "C_M", "C_T", "A", "B", "k")  # the exponential of a long extrapolation
        np.testing.assert_allclose(constants[name], value, rtol=1e-5 if far else 1e-7, err_msg=name)


def test_exact_starts_agree(refit):
    """On data without noise, starts that reach the truth agree, although rounding tells their objectives apart."""
    reached = np.asarray(fit(refit.law).starts.value[0, 0]) < 1e-26
    assert reached.mean() > 1.5 / STARTS
    assert fit(refit.law).agree[0, 0] == pytest.approx(reached.mean())


def test_guess_is_inside_the_supports(case):
    x = inputs(case.law)
    curve = noisy(case, 0.0)
    y = np.stack([*(noisy(case, sd, seed) for seed in range(5) for sd in (0.0, 0.03, 0.3)), np.full(ROWS, curve[0])])
    weight = np.ones_like(y)
    for params in (guess(case.law, x, y, weight), guess(case.law, x, y, np.arange(ROWS) % 3 + 0.0 * y)):
        assert params.keys() == case.truth.keys()
        for name, parameter in case.law.parameters().items():
            assert params[name].shape == (len(y), *parameter.shape), name
            assert np.isfinite(params[name]).all(), name
            assert np.all(parameter.support(params[name])), name
        assert np.isfinite(jax.vmap(lambda p: pack(case.law, p))(params)).all()


def test_guess_does_not_see_rows_without_weight(case):
    y, gone = noisy(case, case.noise), np.isin(np.arange(ROWS), [0, 4, 22])
    spoilt = np.stack([y, *(np.where(gone, junk, y) for junk in (1e30, -1e30, 0.0, 1.0))])
    params = guess(case.law, inputs(case.law), spoilt, np.where(gone, 0.0 * spoilt, 1.0))
    for name, parameter in case.law.parameters().items():
        assert np.all(parameter.support(params[name])), name
        np.testing.assert_allclose(params[name][1:], np.stack([params[name][0]] * 4), rtol=1e-12, err_msg=name)


def test_guess_is_near_the_truth(case):
    """Near enough to be worth the name: the curve of the guess explains most of what varies, or no less than none."""
    x, y = inputs(case.law), noisy(case, case.noise)
    start = row(guess(case.law, x, y[None], np.ones((1, ROWS))), 0)
    assert np.std(values(case.law, start, x) - y) / np.std(y) < (1.0 + 1e-9 if isinstance(case.law, FLAT) else 0.75)


@jax.jit
def drawn(prior, seed):
    """A sample of a distribution and its log density there: one program for all of a kind and shape."""
    sample = prior.sample(jax.random.key(seed), (211,))
    return sample, prior.log_prob(sample)


def test_prior_is_numpyro_s(case):
    closed = [
        (REAL, lambda z, p: stats.norm.logpdf(z, p.loc, p.scale)),
        (POSITIVE, lambda z, p: stats.lognorm.logpdf(z, s=p.scale, scale=np.exp(p.loc))),
        (UNIT, lambda z, p: stats.norm.logpdf(np.log(z / (1 - z)), p.loc, p.scale) - np.log(z * (1 - z))),
    ]
    for i, (name, parameter) in enumerate(case.law.parameters().items()):
        prior = parameter.prior
        assert isinstance(prior, dist.Distribution)
        assert prior.support == parameter.support.constraint
        assert prior.batch_shape + prior.event_shape == parameter.shape
        sample, density = map(np.asarray, drawn(prior, i))
        assert np.all(parameter.support(sample)), name
        assert np.isfinite(density).all(), name
        (logpdf,) = [own for support, own in closed if support is parameter.support]
        np.testing.assert_allclose(density, logpdf(sample, parameter), rtol=1e-9, atol=1e-12)
    loc, scale = prior_normal(case.law)
    table = case.law.parameters().values()
    assert [(p.loc, p.scale) for p in table for _ in range(np.prod(p.shape, dtype=int))] == [
        *zip(loc, scale, strict=True)
    ]


def test_prior_is_normal_where_the_solver_works(case):
    """The anchor of a fit and the prior of a posterior are one: log densities differ by the Jacobian alone."""
    free = np.random.default_rng(4).normal(size=size(case.law))
    loc, scale = prior_normal(case.law)
    at = 0
    for parameter in case.law.parameters().values():
        here = slice(at, at := at + np.prod(parameter.shape, dtype=int))
        own = free[here].reshape(parameter.shape)
        value = parameter.bijector(own)
        density = parameter.prior.log_prob(value) + parameter.transform.log_abs_det_jacobian(own, value)
        np.testing.assert_allclose(np.ravel(density), stats.norm.logpdf(free[here], loc[here], scale[here]), rtol=1e-9)
    assert at == size(case.law)


def test_centred_moves_the_centre_only(case):
    x = inputs(case.law)
    moved = case.law.centred(x)
    spread = {"spread": case.law.spread} if isinstance(case.law, Network) else {}
    assert replace(moved, **centre(case), **spread) == case.law
    means = {"centre_params": "log_params", "centre_tokens": "log_tokens", "centre": "log_flops"}
    means |= {MixExponential: {"centre": "weights"}, BiMix: {"centre": "log_tokens"}}.get(type(case.law), {})
    for name in case.shift:
        column = getattr(x, means[name]) if isinstance(x, Features) else x
        # To fifths of a nat; to half nats; weights to tenths; compute to e-folds.
        near = {
            DomainLinear: 0.1,
            Network: 0.1,
            Linear: 0.25,
            Sigmoid: 0.25,
            Exponential: 0.25,
            Saturating: 0.25,
            FallingSigmoid: 0.25,
            Hinge: 0.25,
            MixExponential: 0.05,
        }
        near = near.get(type(case.law), 0.5)
        assert getattr(moved, name) == pytest.approx(np.mean(column, axis=0), abs=near)
    if spread:
        assert np.log2(moved.spread) == pytest.approx(np.log2(np.std(x, axis=0)), abs=0.5)


def test_residual_in_logs_and_not(case):
    x, y = jax.tree.map(jnp.asarray, inputs(case.law)), noisy(case, case.noise)
    vector, curve = pack(case.law, truth(case)), values(case.law, truth(case), inputs(case.law))
    kinds = [jax.vmap(Residual(case.law, kind), (None, 0)) for kind in ("linear", "log")]
    found = jax.jit(lambda *given: [kind(*given) for kind in kinds])(vector, (x, jnp.asarray(y)))
    for residual, expected in zip(found, (curve - y, np.log(curve / y)), strict=True):
        np.testing.assert_allclose(residual, expected, rtol=1e-9, atol=1e-13)


def test_starts_are_the_guess_then_spread():
    law, outputs, count = Chinchilla(), 3, 401
    guess = np.random.default_rng(0).normal(size=(outputs, size(law)))
    starts = spread_starts(law, guess, count, np.random.default_rng(1))
    assert starts.shape == (outputs, count, size(law))
    np.testing.assert_array_equal(starts[:, 0], guess)
    near, far = starts[:, 1::2], starts[:, 2::2]
    loc, scale = prior_normal(law)
    np.testing.assert_allclose((near - guess[:, None]).std((0, 1)), np.full(size(law), 0.5), rtol=0.1)
    np.testing.assert_allclose(far.mean((0, 1)), loc, atol=0.15)
    np.testing.assert_allclose(far.std((0, 1)), scale, rtol=0.1)


@pytest.mark.parametrize("tied", [False, True])
def test_from_constants_inverts_constants(tied):
    law = Chinchilla(19.7, 23.9, tied=tied)
    published = {"A": 482.01, "B": 2085.43, "E": 1.81686, "alpha": 0.34781, "beta": 0.34781 if tied else 0.36585}
    params = law.from_constants(**{name: jnp.asarray(value) for name, value in published.items()})
    assert list(params) == list(law.parameters())
    for name, value in law.constants(params).items():
        np.testing.assert_allclose(value, published[name], rtol=1e-12, err_msg=name)
    x = inputs(law)
    np.testing.assert_allclose(values(law, params, x), hoffmann_eq_2(published, x), rtol=1e-12)


@pytest.mark.parametrize("upper", [1.5, 0.0, -0.2])
def test_upper_asymptote_must_be_a_score(upper):
    message = rf"^the upper asymptote {upper:g} is no score\. Give a fraction up to 1$"
    with pytest.raises(InputError, match=message):
        Sigmoid(upper=upper)


@pytest.mark.parametrize("free", [-9.0, 0.0, 9.0])
@pytest.mark.parametrize("upper", [None, 0.6, 1.0])
def test_sigmoid_asymptotes_do_not_cross(upper, free):
    law = Sigmoid(upper=upper)
    constants = law.constants(unpack(law, jnp.full(size(law), free)))
    assert 0.0 <= constants["lower"] <= constants["upper"] <= 1.0


def test_declared_affine_parameters_are(case):
    """Along them together, a residual is a straight line, and it moves: what is solved in closed form must be one."""
    residual = Residual(case.law, space(case.law))
    x = row(inputs(case.law), 3)
    vector = np.asarray(pack(case.law, truth(case)))
    along = np.zeros_like(vector)
    along[list(residual.linear)] = 0.3
    r = [float(residual(jnp.asarray(vector + k * along), (x, jnp.asarray(1.7)))) for k in range(3)]
    assert r[2] - 2.0 * r[1] + r[0] == pytest.approx(0.0, abs=1e-12)
    assert (r[1] != r[0]) == bool(residual.linear)
    closed = {"Flat", "PowerLaw", "Linear", "M2", "M4", "DomainLinear"}
    assert (len(residual.linear) == size(case.law)) == (type(case.law).__name__ in closed)
