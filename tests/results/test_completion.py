"""What targets leave out: N, D and mixtures taken from the ladder, said, with uncertainty; or refused."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy import stats

from flpjax.errors import InputError
from flpjax.fitting.averaging.auto import auto
from flpjax.fitting.fit import fit
from flpjax.fitting.point import point
from flpjax.ladder.build import build_runs
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from flpjax.ladder.tasks import Task
from flpjax.methods.registry import Auto, method
from flpjax.results.completion import completed, logs_of, spread_of_sizes
from flpjax.results.forecast import forecast
from flpjax.results.review import review
from flpjax.results.target import Target, targets_of
from flpjax.results.verdicts import Verdict

PARAMS = 5e7 * 2.0 ** np.arange(7)
FEW = Auto(("power+sigmoid", "chinchilla-tied+sigmoid"))


def by_hand(params=PARAMS, tokens=20 * PARAMS, **more):
    """A ladder of Chinchilla's law, without noise."""
    loss = 1.69 + 406.4 * params**-0.34 + 410.7 * tokens**-0.28
    names = np.array([f"r{i}" for i in range(len(params))], object)
    columns = {"run": names, "params": params, "tokens": tokens, "loss/c4": loss, **more}
    return build_runs({k: np.asarray(v) for k, v in columns.items()}, source="by hand")


@pytest.fixture(scope="module")
def ladder():
    return by_hand(tokens=20 * PARAMS * np.exp(0.2 * np.random.default_rng(1).standard_normal(7)))


@pytest.fixture(scope="module")
def blend(ladder):
    return auto(ladder, jax.random.key(0), draws=101, methods=FEW)


def test_the_same_model_by_c_alone_and_by_n_and_d_have_the_same_forecast():
    """78b372f renormalised the members that need N and D away: 1.788 in place of 2.027."""
    fitted = auto(by_hand(), jax.random.key(0), draws=101, methods=FEW)
    ways = [Target("N, D", 1e10, 2e11), Target("C", flops=1.2e22), Target("C, N", 1e10, None, 1.2e22)]
    ways.append(Target("C, D", None, 2e11, 1.2e22))
    made = forecast(fitted, ways)
    for target, values in zip(made.targets, made.loss, strict=True):
        assert (target.params, target.tokens) == pytest.approx((1e10, 2e11), rel=1e-3)
        assert values["c4"].median == pytest.approx(made.loss[0]["c4"].median, rel=1e-3)
    assert (made.lost == 0).all()
    said = [w for w in made.warnings if "own rule" in w]
    assert len(said) == 1
    assert said[0].startswith("target 'C' has FLOPs only: N and D taken from the ladder's own rule: N=1e+10, D=2e+11")
    assert "within a factor 1 " not in said[0], "a rule without scatter leaves nothing open"


def test_uncertain_n_and_d_are_in_the_draws(blend, ladder):
    target = completed(Target("C", flops=1e22), blend.ladder)
    each = spread_of_sizes(logs_of([target]), np.array([True]), blend.ladder, 1001)
    size = blend.ladder.size
    away = (np.asarray(each.log_params)[:, 0] - np.log(target.params)) / size.sd_at(1e22)
    assert stats.kstest(away, stats.t(size.freedom).cdf).statistic < 0.01
    np.testing.assert_allclose(np.log(6.0) + each.log_params + each.log_tokens, each.log_flops, atol=1e-9)
    known, unknown = (forecast(blend, [t], measured=False) for t in (target, Target("C", flops=1e22)))
    wide = [v.loss[0]["c4"].upper - v.loss[0]["c4"].lower for v in (known, unknown)]
    assert wide[1] >= 0.95 * wide[0]


def test_a_law_in_c_needs_neither_and_says_nothing(ladder, key):
    made = forecast(point(method("power+sigmoid"), ladder, key), [Target("C", flops=1e22)])
    assert made.targets[0].params is None
    assert not [w for w in made.warnings if "own rule" in w]


def test_on_a_grid_of_sizes_at_each_budget_a_target_in_c_is_refused(key):
    budgets = np.repeat([2e18, 2e19, 2e20], 5)  # about where the other ladders are: laws are centred as theirs
    params = np.sqrt(budgets / 120.0) * np.tile([0.25, 0.5, 1.0, 2.0, 4.0], 3)
    runs = by_hand(params, budgets / (6.0 * params))
    fitted = auto(runs, key, draws=41, methods=FEW)
    with pytest.raises(InputError, match=r"needs its N and D, and the ladder has no rule .* write N=7e9,D=4e12, or"):
        forecast(fitted, [Target("C", flops=1e22)])
    (said,) = [f for f in review(fitted, runs, [Target("C", flops=1e22)]).findings if f.name == "draws"]
    assert said.verdict == Verdict.FAIL
    whole = Target("whole", 1e10, 2e11)
    made = forecast(fitted, [whole, Target("C", flops=1e22)])
    assert (len(made.loss[0]), len(made.loss[1])) == (1, 0)
    draws = next(f for f in review(fitted, runs, [whole, Target("C", flops=1e22)], made).findings if f.name == "draws")
    assert draws.verdict == Verdict.FAIL, "the review judges the target's draws, not the ladder's"


def test_a_target_without_a_mixture_is_not_passed_by_the_review(key):
    runs = simulate_mixtures(3, sizes=["0.12B", "0.2B", "0.5B", "1B"], checkpoints=3).runs
    fitted = point(method("m3+domain-average"), runs, key, strict=False)
    target = Target("3B", params=3e9, tokens=6e10)
    finding = next(f for f in review(fitted, runs, [target]).findings if f.name == "mixtures")
    assert finding.verdict == Verdict.REVIEW
    assert "none given for '3B': their mean is taken" in finding.figure
    blind = point(method("power+linear"), runs, key, strict=False)
    mixed = replace(target, mix=dict(zip(runs.sources, (0.5, 0.5), strict=True)))
    said = [w for w in forecast(blind, [mixed]).warnings if "blind to mixtures" in w]
    assert len(said) == 1
    assert "and that of '3B' has no part in its forecast" in said[0]


def test_a_mixture_on_a_ladder_without_is_said_to_have_no_part(blend):
    made = forecast(blend, [Target("t", 1e10, 2e11, mix={"code": 1.0})])
    assert "the ladder has no mixtures: that of 't' has no part" in made.warnings


@pytest.mark.parametrize("name", ["auto", "chinchilla+sigmoid"])
def test_a_task_that_falls_stays_between_chance_and_what_was_measured(key, name):
    """78b372f forecast 34.2 of a task that had fallen to 24.9, and 14.9 where chance is 22."""
    runs = by_hand(**{"score/fall": [0.460, 0.421, 0.381, 0.345, 0.312, 0.279, 0.249]})
    runs = replace(runs, tasks=(Task("fall", chance=0.22),))
    chosen = Auto(("chinchilla+sigmoid", "fp-gpt4")) if name == "auto" else method(name)
    made = forecast(fit(chosen, runs, key, draws=41), [Target("t", 1e10, 2e11), *targets_of(runs)])
    value = made.score[0]["fall"]
    noise = 2.0 * 0.005
    assert 0.22 - noise <= value.lower <= value.upper <= 0.249 + noise
    assert 0.22 <= value.median <= 0.25
    assert any(w.startswith("'fall' falls with scale on this ladder") for w in made.warnings)


def test_few_draws_and_the_error_of_medians(blend):
    target = Target("t", 1e10, 2e11)
    made = forecast(blend, [target])
    drawn = np.sort(made.loss_draws[:, 0, 0])
    value = made.loss[0]["c4"]
    assert value.error == pytest.approx(0.5 * (drawn[55] - drawn[45]), rel=0.1), "√101/2 draws on either side"
    assert made.to_dict()["targets"][0]["loss"]["c4"]["monte_carlo_error"] == value.error
    assert made.monte_carlo.startswith("Monte Carlo error of the medians: up to 0.0")
    assert not [w for w in made.warnings if "draws" in w]
    few = forecast(replace(blend, params=jax.tree.map(lambda v: v[:5], blend.params), fitted_noise=None), [target])
    assert "5 draws can't tell the ends of a 90% interval: take 20 at least (--draws)" in few.warnings
    one = forecast(replace(blend, params=jax.tree.map(lambda v: v[:1], blend.params), fitted_noise=None), [target])
    assert not one.intervals


def test_other_seeds_hardly_change_a_blend(ladder):
    """Weights of methods are an integral over the past; on 78b372f its chance draws moved medians by points."""
    fitted = [auto(ladder, jax.random.key(seed), draws=2000, methods=FEW) for seed in range(3)]
    weights = np.array([list(f.validation.weights.values()) for f in fitted])
    np.testing.assert_allclose(weights, weights[:1] * np.ones_like(weights), atol=1e-6)
    made = [forecast(f, [Target("t", 1e10, 2e11)]).loss[0]["c4"] for f in fitted]
    assert np.ptp([v.median for v in made]) < 0.05 * (made[0].upper - made[0].lower)
