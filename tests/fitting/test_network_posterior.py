"""A network's posterior: what is integrated out, what symmetry must not change, intervals, and what raises."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flpjax
from flpjax.engine.recipe import Recipe
from flpjax.engine.tempered import Tempering
from flpjax.errors import FitError, InputError
from flpjax.fitting.fit import fit, method, usual_draws
from flpjax.fitting.point import bind
from flpjax.fitting.posterior import networks, populations
from flpjax.fitting.posterior import posterior as entry
from flpjax.fitting.posterior.assemble import verdict
from flpjax.fitting.posterior.likelihood import log_likelihood, unpacked
from flpjax.fitting.posterior.marginal import MarginalLikelihood, completed
from flpjax.fitting.posterior.populations import joined, unsettled
from flpjax.fitting.posterior.priors import posterior_problem
from flpjax.fitting.sampled import Sampled
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.laws.mixture_laws import M3E
from flpjax.laws.network import Network
from flpjax.methods.flpm import FLPM
from flpjax.results.backtest import record_of
from flpjax.results.forecast import forecast
from flpjax.results.review import review
from flpjax.results.target import targets_of

TASKS = ("race", "triviaqa")
METHOD = FLPM(M3E(), domains=("general", "code"), recipe=Recipe(steps=50))
UNITS = 3
linear = jax.jit(MarginalLikelihood.linear, static_argnums=0)  # one program each, in place of one an operation
log_density_of = jax.jit(MarginalLikelihood.__call__, static_argnums=0)
value_and_slope = jax.jit(jax.value_and_grad(MarginalLikelihood.__call__, argnums=1), static_argnums=0)
whole_log_likelihood = jax.jit(lambda layer, v, data: log_likelihood(layer, unpacked(layer, v), data), static_argnums=0)
DRAWS = 400
SAME = 1e-12 if jax.default_backend() == "cpu" else 1e-10  # accelerators add rows in an order of their own


@pytest.fixture(scope="module")
def ladder():
    sizes = ("0.2B", "0.32B", "0.5B", "0.72B", "1B", "3B")
    runs = simulate_mixtures(3, checkpoints=5, sizes=sizes, ratios=(0.1, 0.3, 0.5)).runs
    t = [runs.task_names.index(name) for name in TASKS]
    tasks = tuple(runs.tasks[i] for i in t)
    return replace(runs, tasks=tasks, score=runs.score[:, t], stderr=runs.stderr[:, t])


@pytest.fixture(scope="module")
def problem(ladder):
    return posterior_problem(entry.with_wrong_losses(bind(METHOD, ladder)))


@pytest.fixture(scope="module")
def drawn(ladder, key):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry, "usual_tempering", lambda: Tempering(members=40, moves=3))
        patch.setattr(populations, "ROUNDS", 2)
        return entry.posterior(METHOD, ladder, key, draws=DRAWS, strict=False)  # too few to settle


def one(problem, output=0):
    """A layer of scores, its likelihood, one output's evidence, and a vector of it."""
    known = jax.tree.map(lambda leaf: jnp.asarray(leaf)[output], problem.evidence[1])
    rng = np.random.default_rng(2)
    vector = np.asarray(known.loc) + 0.5 * np.asarray(known.scale) * rng.standard_normal(len(known.loc))
    return problem.layers[1], MarginalLikelihood(problem.layers[1]), known, vector


def test_integrated_is_the_likelihood_times_the_prior_over_the_conditional(problem):
    """Bayes' rule, which holds at any value of what is integrated out."""
    layer, likelihood, known, vector = one(problem)
    places = np.array(likelihood.integrated)
    assert len(places) == UNITS + 1
    found = linear(likelihood, vector[np.array(likelihood.left)], known)
    precision, pull = np.asarray(found.precision), np.asarray(found.pull)
    off, scale = vector[places] - np.asarray(known.loc)[places], np.asarray(known.scale)[places]
    away = off - np.linalg.solve(precision, pull)
    prior = -0.5 * (off / scale) @ (off / scale) - np.log(scale).sum()
    conditional = -0.5 * away @ precision @ away + 0.5 * np.linalg.slogdet(precision)[1]
    whole = float(whole_log_likelihood(layer, vector, known.data))
    marginal = float(log_density_of(likelihood, vector[np.array(likelihood.left)], known))
    assert marginal == pytest.approx(whole + prior - conditional, abs=1e-8)


def test_ladders_side_by_side_have_the_densities_and_slopes_of_each(problem, ladder):
    """Whatever else is of the batch: rows in parts, another ladder's shape, a standardisation that is data."""
    other = posterior_problem(entry.with_wrong_losses(bind(METHOD, ladder.without([ladder.names[0]]))))
    assert other.layers[1].law != problem.layers[1].law or other.evidence[1].data.mask.shape[1] < len(ladder.names)
    both = (problem, other)
    groups = [lanes for lanes in populations.side_by_side(both) if lanes.layer.stage == "score"]
    assert sorted(owner for lanes in groups for owner in lanes.owners) == [(i, 1, o) for i in (0, 1) for o in (0, 1)]
    rng = np.random.default_rng(4)
    for lanes in groups:
        shared = MarginalLikelihood(lanes.layer)
        left = np.array(shared.left)
        for k, (i, at, output) in enumerate(lanes.owners):
            own = MarginalLikelihood(both[i].layers[at])
            known = jax.tree.map(lambda leaf: jnp.asarray(leaf)[output], both[i].evidence[at])  # noqa: B023
            packed = jax.tree.map(lambda leaf: jnp.asarray(leaf)[k], lanes.known)  # noqa: B023
            vector = np.asarray(known.loc + known.scale * rng.standard_normal(len(known.loc)))[left]
            told, slope = value_and_slope(own, vector, known)
            again, its_slope = value_and_slope(shared, vector, packed)
            assert float(again) == pytest.approx(float(told), rel=SAME)
            np.testing.assert_allclose(its_slope, slope, rtol=1e-9, atol=1e-9 * np.abs(slope).max())


def test_the_slope_is_that_of_the_density(problem):
    _, likelihood, known, vector = one(problem)
    left = vector[np.array(likelihood.left)]
    _, slope = value_and_slope(likelihood, left, known)
    step = 1e-6
    for i in range(len(left)):
        up, down = (float(log_density_of(likelihood, left + s * step * np.eye(len(left))[i], known)) for s in (1, -1))
        assert float(slope[i]) == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-3)


def test_what_was_integrated_out_is_drawn_by_its_normal(problem):
    _, likelihood, known, vector = one(problem)
    left, places = np.array(likelihood.left), np.array(likelihood.integrated)
    found = linear(likelihood, vector[left], known)
    covariance = np.linalg.inv(np.asarray(found.precision))
    many = np.broadcast_to(vector[left], (4000, 1, len(left))).copy()
    many[7] = np.nan
    whole = jax.tree.map(lambda leaf: leaf[None], known)
    drawn = completed(likelihood, many, whole, np.random.default_rng(0))[:, 0]
    assert np.isnan(drawn[7]).all(), "what has failed stays so"
    drawn = np.delete(drawn, 7, axis=0)
    np.testing.assert_array_equal(drawn[:, left], np.delete(many[:, 0], 7, axis=0))
    white = (drawn[:, places] - np.asarray(known.loc)[places] - covariance @ np.asarray(found.pull)) @ np.linalg.inv(
        np.linalg.cholesky(covariance)
    ).T
    np.testing.assert_allclose(white.mean(axis=0), 0.0, atol=0.07)
    np.testing.assert_allclose(np.cov(white.T), np.eye(len(places)), atol=0.1)


def test_units_that_change_places_change_neither_density_nor_forecast(problem, drawn, ladder):
    _, likelihood, known, vector = one(problem)
    first = vector[np.array(likelihood.left)]
    domains = len(problem.model.domains)
    order = [2, 0, 1]
    other = first.copy()
    other[: UNITS * domains] = first[: UNITS * domains].reshape(UNITS, domains)[order].ravel()
    at = slice(UNITS * domains, UNITS * domains + UNITS)
    other[at] = first[at][order]
    told, again = (float(log_density_of(likelihood, v, known)) for v in (first, other))
    assert again == pytest.approx(told, abs=1e-8)
    score = drawn.params["score"]
    moved = {n: v if n == "out_bias" else jnp.asarray(v)[:, :, np.array(order)] for n, v in score.items()}
    other_draws = replace(drawn, params={**drawn.params, "score": moved})
    targets = targets_of(ladder.targets())
    told, again = (forecast(d, targets).score_draws for d in (drawn, other_draws))
    np.testing.assert_allclose(again, told, atol=1e-12)


def test_priors_say_the_range_of_scores_by_rule(problem):
    rows = {row.name: row for row in problem.priors.rows}
    law = problem.layers[1].law
    assert isinstance(law, Network)
    for i, chance in enumerate((0.25, 0.0)):
        middle = law.level + law.scale * rows["score/out_bias"].loc[i]
        assert middle == pytest.approx(0.5 * (1.0 + chance))
        assert law.scale * rows["score/out_bias"].scale[i] == pytest.approx(0.25 * (1.0 - chance))
    # A network of weights from the priors varies, over standardised rows, by a quarter of the range.
    rng = np.random.default_rng(0)
    z = rng.standard_normal((20_000, 2))
    u, a, v = (
        rows[f"score/{n}"].scale[0].ravel()[0] * rng.standard_normal((20_000, *shape))
        for n, shape in (("hidden_weight", (UNITS, 2)), ("hidden_bias", (UNITS,)), ("out_weight", (UNITS,)))
    )
    unit = np.maximum((u * z[:, None]).sum(axis=-1) + a, 0.0)
    assert law.scale * np.sqrt(((v * unit).sum(axis=-1) ** 2).mean()) == pytest.approx(0.25 * 0.75, rel=0.05)


def test_draws_are_a_posterior_s(drawn, ladder, tmp_path):
    assert drawn.kind == "posterior"
    assert drawn.has_intervals
    assert len(drawn) == DRAWS
    assert drawn.sampling.method == "tempered"
    assert str(drawn.sampling).startswith("tempered: 4 chains of populations, R-hat of forecasts up to 1.")
    assert [d.name for d in drawn.diagnostics[:2]] == ["R-hat", "ESS"]
    assert {"amplitude", "curvature"} <= set(drawn.params["loss"]), "losses may depart from their law"
    assert drawn.noise.score.shape == (DRAWS, len(TASKS))
    names = [finding.name for finding in review(drawn, ladder, targets_of(ladder.targets())).findings]
    assert {"R-hat", "ESS"} <= set(names)
    drawn.save(tmp_path / "draws.flp")
    again = flpjax.load(tmp_path / "draws.flp")
    targets = targets_of(ladder.targets())
    np.testing.assert_array_equal(forecast(again, targets).score_draws, forecast(drawn, targets).score_draws)


def test_intervals_hold_what_held_out_runs_reached_and_narrow_ones_do_not(drawn, ladder):
    """Of two 3B runs, 8 outputs: fewer than 5 held have a probability of .005 where intervals hold 90 %."""
    record = record_of(drawn, ladder)
    held = [c.covered for c in (*record.scores, *record.losses)]
    assert len(held) == 8
    assert sum(held) >= 5

    def shrunk(stage):
        return {n: v.mean(axis=0, keepdims=True) + 0.0 * v for n, v in drawn.params[stage].items()}

    narrow = replace(drawn, params={s: shrunk(s) for s in ("loss", "score")}, fitted_noise=None, kind="point")
    assert np.mean([c.covered for c in record_of(narrow, ladder).scores]) < 0.5


def test_chains_that_disagree_raise_and_are_named(drawn, problem):
    bad = drawn.sampling.forecasts._replace(rhat=np.where(np.arange(4) == 2, 1.2, np.ones((2, 4))))
    with pytest.raises(FitError, match=r"chains disagree on forecasts of 'race' \(R-hat 1.200\).*straight map"):
        verdict(replace(drawn.sampling, forecasts=bad), problem, strict=True)
    few = drawn.sampling.forecasts._replace(rhat=np.ones((2, 4)), ess=np.full((2, 4), 60.0))
    with pytest.raises(FitError, match=r"rest on an effective 60 draws, 400 are needed"):
        verdict(replace(drawn.sampling, forecasts=few), problem, strict=True)
    (warning,) = verdict(replace(drawn.sampling, forecasts=few), problem, strict=False)
    assert "an effective 60 draws" in warning


def test_only_what_has_not_settled_is_drawn_again(problem, drawn):
    good = drawn.sampling.forecasts._replace(rhat=np.ones((2, 4)), ess=np.full((2, 4), 900.0))
    assert unsettled(problem, good) == [[], []]
    score = good._replace(ess=np.where(np.arange(4) == 3, [[900.0], [300.0]], 900.0))
    assert unsettled(problem, score) == [[], [1]]
    loss = good._replace(rhat=np.where(np.arange(4) >= 1, 1.02, np.ones((2, 4))))
    assert unsettled(problem, loss) == [[1], []], "scores wait for the losses that they go through"


def test_populations_of_a_network_count_by_their_evidence_and_others_alike(problem):
    def population(value, evidence):
        return np.full((2, 50, 3), value), np.array([evidence, 0.0])

    pool = [[population(1.0, np.log(3.0)), population(0.0, 0.0)]]
    losses, scores = (np.asarray(joined(400, layer, pool)).reshape(2, 400, 1, 3) for layer in problem.layers)
    np.testing.assert_allclose(scores.mean(axis=1)[:, 0, 0], [0.75, 0.5])
    np.testing.assert_allclose(losses.mean(axis=1)[:, 0, 0], [0.5, 0.5])


def test_many_ladders_at_once(ladder, key, monkeypatch):
    monkeypatch.setattr(networks, "usual_tempering", lambda: Tempering(members=40, moves=3))
    monkeypatch.setattr(populations, "ROUNDS", 1)
    named = {"all": ladder, "fewer": ladder.without([ladder.names[0]])}
    found = networks.of_networks(METHOD, named, key, draws=DRAWS, chains=4, strict=False)
    for name, runs in named.items():
        assert found[name].sampling.method == "tempered"
        assert len(found[name]) == DRAWS
        assert np.mean([c.covered for c in record_of(found[name], runs).scores]) >= 0.5
    many = flpjax.posteriors(METHOD, named, key, draws=DRAWS)
    assert set(many.draws) | set(many.failed) == set(named)
    assert all("chains disagree" in why or "effective" in why for why in many.failed.values())


def test_methods_by_name():
    chosen = method("m3+network+posterior")
    assert chosen == Sampled(method("m3+network"))
    assert usual_draws(chosen) == 2000
    with pytest.raises(InputError, match="auto is a blend, and averages posteriors already"):
        method("auto+posterior")
    with pytest.raises(InputError, match="there is no method 'm3'"):
        method("m3+posterior")
    with pytest.raises(InputError, match=r"^posterior: 0 draws\. Give a whole number, 8 at least"):
        fit(chosen, simulate_mixtures(0, checkpoints=2, sizes=("1B",)).runs, jax.random.key(0), draws=0)
