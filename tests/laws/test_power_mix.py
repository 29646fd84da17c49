"""The power law of sources: against its formula in NumPy, at zeros, and fitted to fewer runs than it has parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.point import point
from flpjax.ladder.build import build_runs
from flpjax.ladder.features import Features
from flpjax.laws.law import determined_by, size, unpack
from flpjax.laws.mixture_loss import M3
from flpjax.laws.power_mix import PowerMix
from flpjax.methods.flpm import FLPM
from flpjax.results.forecast import forecast, predict
from flpjax.results.target import targets_of

SOURCES, RUNS, HIDDEN = 5, 13, 7
TOKENS = 2e10


@pytest.fixture(scope="module")
def params():
    law = PowerMix(SOURCES)
    return unpack(law, jnp.asarray(0.5 * np.random.default_rng(3).standard_normal(size(law))))


def at(weights, tokens=TOKENS):
    return Features.of_logs(jnp.log(1e8), jnp.log(tokens), jnp.log(6e8 * tokens), jnp.asarray(weights))


def truth(mix):
    """Losses ``(row, domain)`` that fall with powers of the shares: not the law's own numbers."""
    worth, power = np.array([[9.0, 3.0, 1.0, 0.3, 0.1], [0.2, 0.5, 6.0, 2.0, 1.0]]), np.array([0.5, 0.7])
    return np.stack(
        [1.5 + 2.0 * (1.0 + (w * mix**g).sum(axis=1)) ** -0.4 for w, g in zip(worth, power, strict=True)], 1
    )


@pytest.fixture(scope="module")
def ladder():
    rng = np.random.default_rng(11)
    mix = rng.dirichlet(np.full(SOURCES, 0.7), RUNS + HIDDEN)
    mix[:4, 2] = 0.0
    mix /= mix.sum(axis=1, keepdims=True)
    loss = truth(mix)
    rows = len(mix)
    columns = {
        "run": np.array([f"r{i}" for i in range(rows)], object),
        "params": np.full(rows, 1e8),
        "tokens": np.full(rows, TOKENS),
        "held_out": np.arange(rows) >= RUNS,
        "loss/one": loss[:, 0],
        "loss/two": loss[:, 1],
    }
    return build_runs(columns | {f"mix/s{i}": mix[:, i] for i in range(SOURCES)}, source="by hand")


def test_formula(params):
    law = PowerMix(SOURCES)
    found = {name: float(value) for name, value in law.constants(params).items()}
    weights = np.array([0.1, 0.2, 0.3, 0.15, 0.25])
    learnt = sum((w * TOKENS / found[f"d_{i + 1}"]) ** found[f"g_{i + 1}"] for i, w in enumerate(weights))
    loss = found["c"] + found["B"] * (1.0 + learnt) ** -found["alpha"]
    assert float(law.apply(params, at(weights))) == pytest.approx(loss, rel=1e-5)  # TINY is in one of them


def test_a_source_without_tokens_has_no_say_but_a_slope(params):
    law = PowerMix(SOURCES)
    corner = np.eye(SOURCES)[1]
    slope = jax.grad(lambda w: law.apply(params, at(w)))(jnp.asarray(corner))
    assert np.isfinite(slope).all()
    assert (slope < 0).all()
    worthless = params | {"worth": params["worth"].at[jnp.array([0, 2, 3, 4])].add(-40.0)}
    found = float(law.apply(worthless, at(corner))), float(law.apply(params, at(corner)))
    assert found[0] == pytest.approx(found[1], rel=0.01)


def test_more_tokens_of_the_same_mixture_are_more_of_each_source(params):
    law, weights = PowerMix(SOURCES), np.full(SOURCES, 1 / SOURCES)
    more = float(law.apply(params, at(25.0 * weights, TOKENS))), float(law.apply(params, at(weights, 25.0 * TOKENS)))
    assert more[0] == pytest.approx(more[1], rel=1e-5)


def test_its_priors_hold_more_parameters_than_runs():
    assert size(PowerMix(SOURCES)) == 15
    assert [determined_by(PowerMix(SOURCES), n) for n in (4, 13, 100)] == [2, 6, 15]
    assert determined_by(M3(SOURCES), 4) == size(M3(SOURCES))


def test_few_runs_predict_unseen_mixtures_in_nats(ladder, key):
    draws = point(FLPM(PowerMix()), ladder, key)
    hidden = ladder.targets().finals()
    seen = np.asarray(predict(draws.model, draws.params, hidden.law_inputs, None).loss)[0]
    spread = ladder.training().finals().loss.std(axis=0)
    assert (np.abs(seen - hidden.loss).mean(axis=0) < 0.25 * spread).all()
    relative = draws.fits["loss"].residual_sd
    assert (relative < 0.1).all()  # of losses, not of standardised ones
    drawn = bootstrap(FLPM(PowerMix()), ladder, key, draws=11)
    intervals = forecast(drawn, targets_of(ladder.targets())).loss
    assert all(1.5 < each[d].lower < each[d].median < each[d].upper < 3.6 for each in intervals for d in ("one", "two"))


def test_forms_without_such_priors_still_need_their_runs(ladder, key):
    few = ladder.only([f"r{i}" for i in range(5)])
    with pytest.raises(InputError, match="5 runs with a final value, and M3 has 6 parameters"):
        bootstrap(FLPM(M3()), few, key, draws=5)
