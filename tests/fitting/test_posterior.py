"""Posteriors against closed laws and against each other, and what must make them wide."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from flpjax.cli.plots_priors import plot_posterior
from flpjax.errors import FitError, InputError, PrecisionError
from flpjax.fitting.diagnostics import convergence, worth_of_distinct, worth_of_looks
from flpjax.fitting.point import bind
from flpjax.fitting.posterior import nuts
from flpjax.fitting.posterior.against import against_priors
from flpjax.fitting.posterior.assemble import JUDGED, verdict
from flpjax.fitting.posterior.laplace import _differentiated, find_modes
from flpjax.fitting.posterior.likelihood import (
    NOISE,
    LayerData,
    log_density,
    log_likelihood,
    model,
    potential,
    scatter_of,
    student,
)
from flpjax.fitting.posterior.posterior import posterior
from flpjax.fitting.posterior.posteriors import posteriors
from flpjax.fitting.posterior.priors import Normal, Priors, posterior_problem, priors_of
from flpjax.fitting.posterior.weights import resample
from flpjax.ladder.select import Selection
from flpjax.ladder.simulate import LADDER, TASKS, simulate_ladder
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.ladder.tasks import Task
from flpjax.laws.mixture_loss import M3
from flpjax.laws.network import DomainLinear
from flpjax.methods.direct import FP
from flpjax.methods.flp import FLP
from flpjax.methods.flpm import FLPM
from flpjax.methods.registry import method
from flpjax.results.forecast import forecast
from flpjax.results.target import Target

ALL = Selection(improving=False, above_chance=None)
FAR = (Target("far", flops=1e24, params=1e10, tokens=1.5e13),)
scattered = jax.jit(scatter_of, static_argnums=0)
DRAWS = 2000
SAMPLED = 4000  # of NUTS: with half as many, chains disagree by R-hat's limit under one key in five


@pytest.fixture(scope="session")
def fast(noisy, key):
    return posterior(FLP(), noisy.runs, key, method="laplace", draws=DRAWS)


@pytest.fixture(scope="session")
def sampled(noisy, key):
    return posterior(FLP(), noisy.runs, key, draws=SAMPLED)


def width(draws, name, kind="score"):
    told = forecast(draws, FAR, measured=False)
    interval = (told.score if kind == "score" else told.loss)[0][name]
    return interval.upper - interval.lower


def sd_at(question, layer, x):
    """Standard deviation ``(output,)`` of a straight line at ``x``, from the normal at the mode."""
    known = question.evidence[layer]
    root = np.asarray(find_modes(question.layers[layer], np.asarray(known.loc)[None], known).whitening.root)[0]
    direction = np.array([1.0, x - question.layers[layer].law.centre])
    return np.linalg.norm(np.einsum("p,opq->oq", direction, root[:, :2]), axis=1)


def fit(runs, key, predictor=None, **more):
    return posterior(predictor or FLP(), runs, key, method="laplace", draws=DRAWS, strict=False, **more)


def test_a_posterior_stands_against_its_prior_in_a_table_and_a_picture(noisy, fast, tmp_path):
    priors = priors_of(FLP(), noisy.runs)
    rows = against_priors(fast, priors)
    assert len(rows) == 2 * 5 + 2 * 3, "two parameters of a power law for 5 losses, two of a line for 3 scores"
    for row in rows:
        stage, name = row["name"].split("/")
        (o,) = [o for p in priors.rows if p.name == row["name"] for o, x in enumerate(p.outputs) if x == row["output"]]
        np.testing.assert_allclose(row["median"], np.median(fast.params[stage][name][:, o]), rtol=1e-6)
        assert row["prior_lower"] < row["prior_median"] < row["prior_upper"]
        assert row["narrowed"] < 1.0
    level = [row for row in rows if row["name"] == "loss/log_level"]
    assert all(row["narrowed"] > 0.9 for row in level), "a ladder says where it is"
    figure = plot_posterior(fast, priors)
    assert [ax.get_title() for ax in figure.axes] == list(dict.fromkeys(row["name"] for row in rows))
    assert all(ax.get_xlabel() for ax in figure.axes)
    for kind in ("png", "svg", "pdf"):
        figure.savefig(tmp_path / f"posterior.{kind}")
    other = priors_of(method("chinchilla+sigmoid"), noisy.runs)
    with pytest.raises(InputError, match="Give priors_of the same method"):
        against_priors(fast, Priors(tuple(row for row in other.rows if row.name == "score/middle")))


def test_axes_kind_and_noise(noisy, fast):
    assert fast.kind == "posterior"
    assert {s: {n: v.shape for n, v in p.items()} for s, p in fast.params.items()} == {
        "loss": {"log_level": (DRAWS, 5), "exponent": (DRAWS, 5)},
        "score": {"level": (DRAWS, 3), "slope": (DRAWS, 3)},
    }
    assert fast.noise.loss.shape == (DRAWS, 5)
    assert fast.noise.score.shape == (DRAWS, 3)
    assert fast.sampling.noise["noise/score/run"].shape == (DRAWS, 3)
    assert fast.ladder.runs == 11


def test_the_linear_gaussian_posterior_is_the_closed_form(table, key):
    """Nearly normal noise of known size: the losses' line has the posterior of Bayesian linear regression."""
    log_c = np.log(6 * 1e7 * 2.0 ** np.arange(9) * 20 * (1e7 * 2.0 ** np.arange(9)) ** 1.1)
    rng = np.random.default_rng(5)
    y = 1.2 - 0.05 * (log_c - log_c.mean()) + 0.01 * rng.standard_normal(9)
    runs = table({"c4": np.exp(y)[:, None]}, {})
    known = {
        "loss/log_level": (1.2, 0.3),
        "loss/exponent": (0.0, 0.02),
        "noise/loss/sd": (np.log(0.01), 1e-4),
        "noise/loss/growth": (-20.0, 1e-3),
        "noise/loss/freedom": (np.log(1e6), 1e-3),
    }
    draws = posterior(FLP(), runs, key, method="laplace", draws=8000, priors=known)
    centre = draws.model.compute_loss.centre
    x = np.stack([np.ones(9), np.log(runs.flops) - centre], axis=1)
    precision = x.T @ x / 0.01**2 + np.diag([0.3**-2, 0.02**-2])
    covariance = np.linalg.inv(precision)
    mean = covariance @ (x.T @ np.log(runs.loss[:, 0]) / 0.01**2 + np.array([1.2 / 0.3**2, 0.0]))
    found = np.stack([draws.params["loss"][n][:, 0] for n in ("log_level", "exponent")], axis=1)
    error = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((found.mean(0) - mean) / error, 0.0, atol=0.05)
    np.testing.assert_allclose(found.std(0), error, rtol=0.04)
    np.testing.assert_allclose(np.corrcoef(found.T)[0, 1], covariance[0, 1] / error.prod(), atol=0.04)
    np.testing.assert_allclose(draws.noise.loss, 0.01, rtol=0.01)  # the noise was known


def test_run_effects_are_integrated_out(noisy):
    """Woodbury's sum is the density of the full covariance, and the t-density is SciPy's."""
    from scipy.stats import multivariate_normal, t

    question = posterior_problem(bind(FLP(), noisy.runs))
    layer, known = question.layers[1], question.evidence[1]
    data = LayerData(*jax.tree.map(lambda v: v[0], known.data))
    params = {"level": 0.5, "slope": -0.4, "noise/sd": 0.013, "noise/run": 0.02, "noise/run_slope": 0.011}
    params = {n: jnp.asarray(v) for n, v in params.items()}
    y, x, mask, lever = (np.asarray(v) for v in (data.y, data.x, data.mask, data.standardised_loss))
    mean = 0.5 - 0.4 * (x - layer.law.centre)
    asked = noisy.runs.tasks[noisy.runs.task_names.index(question.bound.stages[1].outputs[0])].questions
    middle = (y * asked + 1.0) / (asked + 2.0)
    expected = 0.0
    for r in range(len(y)):
        k = mask[r] > 0
        if k.any():
            covariance = np.diag(0.013**2 + (middle * (1 - middle))[r, k] / asked)
            covariance += 0.02**2 + 0.011**2 * np.outer(lever[r, k], lever[r, k])
            expected += multivariate_normal.logpdf(y[r, k], mean[r, k], covariance)
    found = jax.jit(log_likelihood, static_argnums=0)(layer, params, data)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    density = jax.jit(student)
    for freedom in (0.5, 3.0, 40.0):
        found = density(0.7, 0.25, freedom)
        np.testing.assert_allclose(found, t.logpdf(0.7, freedom, 0, 0.5), rtol=1e-9)


def test_a_law_can_t_make_its_own_rows_more_exact(noisy):
    """Near 0 few questions are missed by chance: a law there, with all runs off by as much, must not gain by that."""
    question = posterior_problem(bind(FLP(), noisy.runs))
    layer, known = question.layers[1], question.evidence[1]
    data = LayerData(*jax.tree.map(lambda v: v[0], known.data))
    noise = {"noise/sd": 0.001, "noise/run": 0.5, "noise/run_slope": 0.001}
    right, low = (scattered(layer, {"level": level, "slope": -0.1} | noise, data).variance for level in (0.5, 0.02))
    np.testing.assert_array_equal(right, low)


def test_the_numpyro_model_is_the_sum_over_outputs(noisy):
    from numpyro.handlers import seed, trace

    question = posterior_problem(bind(FLP(), noisy.runs))

    def drawn(key):
        return trace(seed(model, key)).get_trace(question.layers, question.evidence)["loss/exponent"]["value"]

    assert jax.eval_shape(drawn, jax.random.key(0)).shape == (5,)
    rng = np.random.default_rng(0)
    two = [
        tuple(jnp.asarray(k.loc + 0.3 * k.scale * rng.standard_normal(k.loc.shape)) for k in question.evidence)
        for _ in range(2)
    ]
    each = [jax.jit(jax.vmap(partial(log_density, layer))) for layer in question.layers]
    own = [
        sum(float(f(v, known).sum()) for f, v, known in zip(each, vectors, question.evidence, strict=True))
        for vectors in two
    ]
    energy = jax.jit(potential, static_argnums=0)
    theirs = [-float(energy(question.layers, vectors, question.evidence)) for vectors in two]
    np.testing.assert_allclose(own[0] - own[1], theirs[0] - theirs[1], rtol=1e-9)


def test_the_fast_path_agrees_with_nuts(fast, sampled):
    assert fast.sampling.max_khat < 0.7
    assert sampled.sampling.divergences == 0
    for kind in ("loss_draws", "score_draws"):
        a, b = (getattr(forecast(d, FAR, measured=False), kind)[:, 0] for d in (fast, sampled))
        spread = b.std(axis=0)
        np.testing.assert_allclose((np.median(a, axis=0) - np.median(b, axis=0)) / spread, 0.0, atol=0.15)
        wide, exact = (np.ptp(np.quantile(v, [0.1, 0.9], axis=0), axis=0) for v in (a, b))
        np.testing.assert_allclose(wide, exact, rtol=0.15)


def test_many_at_once_agree_with_nuts(noisy, sampled, key):
    """Means and variances of forecasts within four standard errors of the two samples' Monte Carlo error."""
    one = posteriors(FLP(), [noisy.runs], key)["0"]
    told, exact = (forecast(d, FAR, measured=False) for d in (one, sampled))
    for values in ("loss_draws", "score_draws"):
        a, b = (getattr(f, values)[:, 0] for f in (told, exact))
        for x, y in ((a, b), ((a - a.mean(axis=0)) ** 2, (b - b.mean(axis=0)) ** 2)):
            size = [convergence(v, d.sampling).ess for v, d in ((x, one), (y, sampled))]
            error = np.sqrt(x.var(axis=0) / size[0] + y.var(axis=0) / size[1])
            assert (np.abs(x.mean(axis=0) - y.mean(axis=0)) < 4.0 * error).all()


def test_chains_agree_on_every_forecast(sampled):
    told = forecast(sampled, FAR, measured=False)
    for values in (told.loss_draws, told.score_draws):
        found = convergence(values, sampled.sampling)
        assert found.rhat.max() < 1.01
        assert found.ess.min() > 400
    assert sampled.sampling.forecasts.passed


def test_a_stuck_chain_is_seen():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((4, 250))
    assert convergence(values.reshape(-1), 4).passed
    values[2] += 1.0
    assert not convergence(values.reshape(-1), 4).passed


def test_the_fast_path_counts_different_draws_and_has_no_chains(fast):
    """Issue 16: R-hat 1.0016, and an ESS of 1964 of draws with 1,109 different values: both of an order at random."""
    sampling, told = fast.sampling, forecast(fast, FAR, measured=False)
    assert set(sampling.effective) == set(sampling.khat)
    for name, param in (("loss", "exponent"), ("score", "slope")):
        found = sampling.parameters[f"{name}/{param}"]
        values = np.asarray(fast.params[name][param])
        different = np.array([len(np.unique(column)) for column in values.T])
        assert np.isnan(found.rhat).all()
        assert (found.ess <= different + 1e-9).all(), "no more than there are"
        assert (found.ess > 0.3 * different).all()
    at = fast.model.domains.index("general")
    (ess, *_) = sampling.forecasts.ess
    worth = [sampling.effective[f"loss '{d}'"] for d in fast.model.domains]
    np.testing.assert_allclose(ess[: len(worth)], worth)
    for j, task in enumerate(fast.model.tasks):
        least = min(sampling.effective[f"score '{task}'"], *(worth[i] for i in fast.model.via[j]))
        assert ess[len(worth) + j] == pytest.approx(least)
    seen = convergence(told.loss_draws, sampling)
    assert np.isnan(seen.rhat).all()
    assert seen.ess[0, at] <= len(np.unique(told.loss_draws[:, 0, at]))
    assert seen.ess.max() <= sampling.min_ess
    assert sampling.forecasts.passed == (sampling.forecasts.ess.min() > 400)
    as_json = sampling.to_dict()
    assert as_json["max_rhat"] is as_json["max_rhat_of_forecasts"] is None
    assert as_json["min_ess"] == pytest.approx(min(sampling.effective.values()))
    assert f"worth {sampling.min_ess:.0f} different ones" in str(fast)


def test_draws_that_repeat_are_worth_the_weights_that_they_came_by():
    """Against a mean's variance: draws resampled by uneven weights are worth what the weights' effective number is."""
    rng = np.random.default_rng(0)
    weight = rng.pareto(3.0, 8000)
    weight /= weight.sum()
    values, means, told = rng.standard_normal((400, 8000)), [], []
    for own in values:
        kept = own[resample(weight, 2000, rng)]
        means.append(kept.mean())
        told.append(worth_of_distinct(kept))
    assert np.mean(told) == pytest.approx(1.0 / np.var(means), rel=0.2)
    assert worth_of_distinct(np.repeat(np.arange(5.0), 20)[:, None]) == pytest.approx([5.0])
    assert worth_of_distinct(np.arange(7.0)) == pytest.approx(7.0)


@pytest.mark.parametrize("kept", [0.0, 0.6, 0.95])
def test_a_population_is_worth_what_its_members_forget(kept):
    """Against a mean's variance, of an autoregression whose members are independent."""
    rng = np.random.default_rng(1)
    members, times, lots = 101, 4, 300
    each = rng.standard_normal((times, lots, members))
    for t in range(1, times):
        each[t] = kept * each[t - 1] + np.sqrt(1.0 - kept**2) * each[t]
    true = 1.0 / each.mean(axis=(0, 2)).var()
    fast = rng.standard_normal((times, members, 1))
    told = [worth_of_looks(np.stack([each[:, i], fast[..., 0]], axis=-1)[:, :, None])[0] for i in range(lots)]
    assert np.mean(told) == pytest.approx(true, rel=0.2)
    assert worth_of_looks(each[:1].reshape(1, -1, 1, 1)) == pytest.approx(lots * members)
    stuck = np.broadcast_to(each[0, 0][None, :, None, None], (4, members, 1, 1))
    assert worth_of_looks(stuck) == pytest.approx(members)


class Asked(Exception):  # noqa: N818 - no error
    """A program was asked for; chains take long to run, and nothing here depends on where they end."""


def test_nothing_is_traced_twice(noisy, fast, monkeypatch):
    """Keys, scores and priors are arguments of the programs: what they are compiled for is the same."""
    asked = []

    def ask(layers, sampler, *arguments):
        leaves, structure = jax.tree.flatten(arguments)
        asked.append((layers, sampler, structure, [jax.typeof(leaf) for leaf in leaves]))
        raise Asked

    monkeypatch.setattr(nuts, "_chains", ask)
    before = _differentiated._cache_size()
    assert before > 0
    other = replace(noisy.runs, score=np.clip(noisy.runs.score * 1.001, 0, 1))
    changed = {"priors": {"score/slope": (-0.4, 0.3)}}
    for runs, seed, more in ((noisy.runs, 17, {}), (noisy.runs, 5, {}), (other, 5, changed)):
        with pytest.raises(Asked):
            posterior(FLP(), runs, jax.random.key(seed), draws=SAMPLED, **more)
    assert asked[0] == asked[1] == asked[2]
    assert hash(asked[0][:2]) == hash(asked[1][:2]) == hash(asked[2][:2])
    posterior(FLP(), other, jax.random.key(5), method="laplace", draws=DRAWS, **changed)
    assert _differentiated._cache_size() == before


def test_priors_can_be_read_and_overridden(noisy, key, fast):
    priors = priors_of(FLP(), noisy.runs)
    assert "noise/loss/sd" in priors.names
    assert "loss/exponent: 0 [-0.392, 0.392]" in str(priors)
    rows = [r for r in priors.to_dicts() if r["name"] == "score/level"]
    assert [r["output"] for r in rows] == ["bbh", "hellaswag", "triviaqa"]
    tight = fit(noisy.runs, key, priors={"loss/exponent": Normal(-0.1, 1e-5)})
    np.testing.assert_allclose(tight.params["loss"]["exponent"], -0.1, atol=1e-4)


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        (
            {"loss/exponnent": (0.0, 1.0)},
            "priors: there is no parameter 'loss/exponnent'. Did you mean 'loss/exponent'",
        ),
        ({"loss/exponent": (0.0, -1.0)}, "the prior of 'loss/exponent' is no distribution"),
        ({"loss/exponent": (0.0, np.zeros(4))}, "the prior of 'loss/exponent' can't be read"),
        ({"loss/exponent": 3.0}, "the prior of 'loss/exponent' can't be read"),
    ],
)
def test_bad_priors_are_refused(noisy, key, priors, message):
    with pytest.raises(InputError, match=message):
        fit(noisy.runs, key, priors=priors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"method": "nutz"}, "there is no method 'nutz'. Did you mean 'nuts'"), ({"draws": 2}, "posterior: 2 draws")],
)
def test_bad_arguments_are_refused(noisy, key, arguments, message):
    with pytest.raises(InputError, match=message):
        posterior(FLP(), noisy.runs, key, **arguments)


def test_single_precision_is_refused(noisy, key):
    with jax.enable_x64(False), pytest.raises(PrecisionError, match="float64"):
        posterior(FLP(), noisy.runs, key)


def test_copies_of_checkpoints_say_nothing_new(noisy):
    runs = noisy.runs.training()
    twice = np.repeat(np.arange(len(runs)), 2)
    by_row = ("run", "params", "tokens", "flops", "loss", "score", "stderr", "mix", "extra", "train_loss", "step")
    final = runs.final[twice] & (np.arange(len(twice)) % 2 == 1)
    doubled = replace(runs, final=final, **{n: getattr(runs, n)[twice] for n in by_row})
    one, two = (posterior_problem(FLP(selection=Selection(improving=False)).bind(r)).evidence for r in (runs, doubled))
    jax.tree.map(np.testing.assert_array_equal, one, two)


def test_what_a_run_is_off_by_does_not_average_out():
    """With endless test sets eight times the checkpoints would narrow a plain regression by 2.8, and here hardly."""
    sizes = [s for s in LADDER if s not in ("43M", "64M", "89M")]
    predictor, endless = FLP(selection=Selection(improving=False)), dict.fromkeys(TASKS, 10**8)
    few, many = (
        sd_at(
            posterior_problem(bind(predictor, simulate_ladder(3, checkpoints=n, sizes=sizes, questions=endless).runs)),
            1,
            2.0,
        )
        for n in (10, 80)
    )
    assert np.median(few / many) < 1.4


def test_four_runs_are_wider_than_twelve():
    runs = simulate_ladder(3, checkpoints=13).runs
    four = runs.only(["0.25B", "0.5B", "0.72B", "1B"])
    wide, narrow = (sd_at(posterior_problem(bind(FLP(), r)), 0, np.log(1e24)) for r in (four, runs))
    assert (wide > 1.5 * narrow).all()


def test_reruns_that_contradict_widen(noisy, key, fast):
    loss = noisy.runs.loss.copy()
    loss[noisy.runs.run % 2 == 0] *= 1.06
    torn = fit(replace(noisy.runs, loss=loss), key)
    assert width(torn, "general", "loss") > 2 * width(fast, "general", "loss")


def test_a_task_at_chance_is_forecast_near_chance_with_honest_width(noisy, key):
    """Checkpoints at chance say that the line has not crossed it; the paper's filter has nothing to say of the task."""
    runs = noisy.runs
    rng = np.random.default_rng(0)
    score = runs.score.copy()
    score[:, 0] = 0.25 + rng.binomial(1000, 0.5, len(runs)) / 1000 - 0.5
    facts = (Task("dull", 0.25, 1000), *runs.tasks[1:])
    dull = replace(runs, tasks=facts, score=np.clip(score, 0, 1))
    assert "dull" not in FLP().bind(dull.training()).model.tasks
    draws = fit(dull, key, FLP(selection=ALL))
    assert type(draws.model).__name__ == "Emerging"
    near = (Target("next", flops=1e22, params=1e9, tokens=1.6e12),)
    told = forecast(draws, near, measured=False)
    dull_score, risen = told.score[0]["dull"], told.score[0]["hellaswag"]
    assert dull_score.lower == pytest.approx(0.25, abs=0.02)
    assert dull_score.median < 0.35
    assert dull_score.upper < 0.3  # the ladder's own size
    assert risen.lower > 0.4
    far = forecast(draws, FAR, measured=False).score[0]["dull"]
    assert far.upper > 0.27
    assert far.upper - far.lower > 3 * (dull_score.upper - dull_score.lower)
    assert forecast(draws, FAR).score_draws.min() >= 0.0


def test_emergence_leaves_emerged_tasks_where_the_truth_is(exact, noisy, key):
    truth = noisy.truth
    draws = fit(noisy.runs, key, FLP(selection=ALL))
    told = forecast(draws, (Target("7B", flops=5e22, params=6.5e9, tokens=1.26e12),), measured=False)
    true = truth.score(5e22)
    for name in draws.model.tasks:
        i = [t.name for t in truth.tasks].index(name)
        interval = told.score[0][name]
        half = 0.5 * (interval.upper - interval.lower)
        assert abs(interval.median - true[i]) < 2.5 * half


def test_other_predictors(noisy, key):
    direct = fit(noisy.runs, key, FP())
    assert direct.model.domains == ()
    assert direct.noise.loss.shape == (DRAWS, 0)
    mixed = simulate_mixtures(2, checkpoints=7).runs
    draws = fit(mixed, key, FLPM(M3(), DomainLinear()))
    assert draws.sampling.max_khat < 1.0
    assert draws.params["loss"]["worth"].shape == (DRAWS, len(draws.model.domains), 1)


def test_a_sampling_that_failed_raises_and_says_what_to_do(noisy, fast, sampled):
    question, good = posterior_problem(bind(FLP(), noisy.runs)), sampled.sampling
    assert verdict(good, question, True) == ()
    rhat = good.forecasts.rhat.copy()
    rhat[1, 6] = 1.2
    apart = replace(good, forecasts=good.forecasts._replace(rhat=rhat))
    broken = replace(good, diverging=np.ones_like(good.diverging))
    heavy = replace(fast.sampling, khat={"loss 'code'": 1.3})
    lost = replace(fast.sampling, gradient={"loss 'code'": np.nan})
    for bad, message in (
        (apart, r"chains disagree on forecasts of 'hellaswag' \(R-hat 1.200\)\. Sample longer"),
        (broken, r"4000 of 4000 trajectories broke off: .*narrower priors"),
        (heavy, r"the fast path does not fit loss 'code' \(k-hat 1.30\)\. Use method='nuts'"),
        (lost, r"no mode was found for loss 'code'"),
    ):
        with pytest.raises(FitError, match=message):
            verdict(bad, question, True)
        assert verdict(bad, question, False)[0].startswith("posterior: ")
    (warning,) = verdict(replace(good, diverging=good.diverging | (np.arange(SAMPLED // 4) == 3)), question, True)
    assert "4 of 4000" in warning


def test_arviz_takes_them(sampled, staged):
    from flpjax.fitting.posterior.arviz import to_arviz

    with pytest.raises(InputError, match="point draws have no chains"):
        to_arviz(staged)
    pytest.importorskip("arviz", reason="ArviZ is not installed: pip install 'flpjax[arviz]'")
    data = to_arviz(sampled)
    assert data.posterior["loss_exponent"].dims == ("chain", "draw", "domain")
    assert data.posterior["noise_score_run"].shape == (4, SAMPLED // 4, 3)
    assert int(data.sample_stats["diverging"].sum()) == 0
    np.testing.assert_array_equal(
        data.posterior["score_slope"].values.reshape(SAMPLED, 3), np.asarray(sampled.params["score"]["slope"])
    )


def test_skills_are_held_against_scores(noisy):
    """A map fitted to skills predicts scores, and questions make scores noisy, not skills."""
    posed = posterior_problem(bind(method("power+skill"), noisy.runs), None, None)
    data, stage = posed.evidence[1].data, posed.bound.stages[1]
    training = noisy.runs.training()
    for o, task in enumerate(posed.model.tasks):
        kept = training.score_of(task)[stage.weight[o] > 0]
        np.testing.assert_allclose(np.sort(data.y[o][data.mask[o] > 0]), np.sort(kept), rtol=1e-12)
        own = jax.tree.map(lambda v, o=o: v[o], data)
        params = {"slope": 2.0, "middle": 0.1} | {NOISE + n: 0.01 for n in ("sd", "run", "run_slope")}
        mean = scattered(posed.layers[1], params, own).mean
        skill = expit(-2.0 * (np.asarray(own.x) - stage.law.centre - 0.1))
        chance = np.asarray(own.chance)
        np.testing.assert_allclose(mean, chance + (1.0 - chance) * skill, rtol=1e-12)


def test_few_draws_are_judged_by_chains_as_long_as_of_many(noisy, key):
    """Chains of five draws never seem to agree. The few are some of the many, evenly spaced in each chain."""
    few = posterior(FLP(), noisy.runs, key, draws=20)
    many = posterior(FLP(), noisy.runs, key, draws=4 * JUDGED)
    assert len(few) == 20
    assert few.noise.loss.shape == (20, 5)
    assert few.sampling.diverging.shape == few.sampling.acceptance.shape == (4, 5)
    np.testing.assert_array_equal(few.sampling.forecasts.rhat, many.sampling.forecasts.rhat)
    kept = np.ravel(JUDGED * np.arange(4)[:, None] + [0, 125, 250, 374, 499])
    for stage, names in many.params.items():
        for name, values in names.items():
            np.testing.assert_array_equal(few.params[stage][name], np.asarray(values)[kept])
    np.testing.assert_array_equal(few.noise.loss, np.asarray(many.noise.loss)[kept])
