"""What every way of fitting hands on: axes, keys, precision, and what draws say of themselves."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from flpjax.errors import InputError, PrecisionError
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.point import point
from flpjax.methods.direct import FP
from flpjax.methods.flp import FLP
from flpjax.methods.method import Prediction
from flpjax.results.completion import law_inputs
from flpjax.results.forecast import forecast
from flpjax.results.target import targets_of

DRAWS, DOMAINS, TASKS = 7, 5, 3


def shapes(draws):
    return {stage: {n: v.shape for n, v in params.items()} for stage, params in draws.params.items()}


def axes(count):
    return {
        "loss": {"log_level": (count, DOMAINS), "exponent": (count, DOMAINS)},
        "score": {"level": (count, TASKS), "slope": (count, TASKS)},
    }


@pytest.mark.parametrize(("fixture", "count"), [("staged", 1), ("joint", 1), ("booted", DRAWS)])
def test_the_draw_axis_leads_and_the_output_axis_follows(request, fixture, count):
    draws = request.getfixturevalue(fixture)
    assert shapes(draws) == axes(count)
    assert len(draws) == count
    assert draws.kind == ("point" if count == 1 else "bootstrap")
    assert draws.fits["loss"].start_status.shape == (DOMAINS, 1)  # a straight line needs one
    assert draws.model.domains == draws.fits["loss"].outputs
    assert draws.model.tasks == draws.fits["score"].outputs == ("bbh", "hellaswag", "triviaqa")


def test_a_joint_bootstrap_has_them_too(noisy, key, booted):
    draws = bootstrap(FLP(), noisy.runs, key, draws=DRAWS, joint=True)
    assert shapes(draws) == axes(DRAWS)
    for stage, name in (("loss", "exponent"), ("score", "level")):
        found, was = (np.asarray(d.params[stage][name]) for d in (draws, booted))
        np.testing.assert_array_equal(np.isnan(found), np.isnan(was))
        if stage == "score":
            assert np.isnan(found).any()
            assert (found != was).all()  # NaN is no exception: it equals nothing


def test_the_ladder_in_brief(noisy, booted):
    training = noisy.runs.training()
    assert (booted.ladder.runs, booted.ladder.checkpoints) == (11, 143)
    assert booted.ladder.flops == (training.finals().flops.min(), training.finals().flops.max())


def test_one_key_gives_one_answer(noisy, key, booted):
    again = bootstrap(FLP(), noisy.runs, key, draws=DRAWS)
    jax.tree.map(np.testing.assert_array_equal, booted.params, again.params)


def test_another_key_draws_other_runs(noisy, booted):
    other = bootstrap(FLP(), noisy.runs, jax.random.key(18), draws=DRAWS)
    a, b = (np.asarray(d.params["loss"]["exponent"]) for d in (booted, other))
    assert (a != b).all()


def test_another_key_finds_the_same_optimum(noisy, staged):
    other = point(FLP(), noisy.runs, jax.random.key(18))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-7), staged.params, other.params)


def test_draws_of_one_bootstrap_differ(booted):
    for values in booted.params["loss"].values():
        assert len(np.unique(values[:, 0])) == DRAWS


@pytest.mark.parametrize("fit", [point, bootstrap])
@pytest.mark.parametrize("method", [FLP(), FP()])
def test_single_precision_is_refused_with_the_remedy(noisy, key, fit, method):
    with (
        jax.enable_x64(False),
        pytest.raises(
            PrecisionError,
            match=r'^fitting needs float64, and JAX is set to float32\. Call jax\.config\.update\("jax_enable_x64", '
            r"True\) when the program starts, or set JAX_ENABLE_X64=1$",
        ),
    ):
        fit(method, noisy.runs, key)


@pytest.mark.parametrize("count", [0, -3])
def test_no_draws_are_no_bootstrap(noisy, key, count):
    remedy = r"Give a whole number, 1 at least; point\(\) makes none"
    with pytest.raises(InputError, match=rf"^bootstrap: {count} draws\. {remedy}"):
        bootstrap(FLP(), noisy.runs, key, draws=count)


@pytest.mark.parametrize(("fixture", "has_intervals", "as_known"), [("staged", False, False), ("booted", True, True)])
def test_draws_answer_for_themselves(request, fixture, has_intervals, as_known):
    """Nothing else need know where they came from."""
    draws = request.getfixturevalue(fixture)
    assert (draws.has_intervals, bool(draws.why_no_intervals)) == (has_intervals, not has_intervals)
    assert (draws.takes_scatter_as_known, draws.needs_every_fit, draws.loss_routes) == (as_known, True, (0,))
    assert draws.noise.loss.shape == (len(draws), DOMAINS)
    residual = draws.fits["score"].residual_sd if has_intervals else np.zeros(TASKS)
    np.testing.assert_array_equal(draws.noise.score, np.tile(residual, (len(draws), 1)))
    assert not replace(draws, params=jax.tree.map(lambda v: v[:1], draws.params)).has_intervals


def test_noise_that_was_fitted_comes_before_that_of_residuals(booted):
    fitted = Prediction(np.full((DRAWS, DOMAINS), 0.3), np.full((DRAWS, TASKS), 0.1))
    assert replace(booted, fitted_noise=fitted).noise is fitted


def test_expected_values_are_those_of_a_forecast_without_noise(booted, noisy):
    targets = targets_of(noisy.runs.targets())
    seen = forecast(booted, targets, measured=False)
    told = booted.expected(law_inputs(targets, booted))
    np.testing.assert_allclose(told.loss, seen.loss_draws, rtol=1e-12)
    np.testing.assert_allclose(np.clip(told.score, 0, 1), seen.score_draws, rtol=1e-12)


@pytest.mark.parametrize(("old", "new"), [("intervals", "has_intervals"), ("past", "validation")])
def test_an_old_name_warns_and_names_the_new_one(booted, old, new):
    with pytest.warns(DeprecationWarning, match=rf"Draws\.{old} is now Draws\.{new}"):
        assert getattr(booted, old) == getattr(booted, new)
