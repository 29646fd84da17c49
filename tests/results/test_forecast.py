"""From draws to losses, scores and intervals, against the truth of a simulated ladder and against NumPy."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from flpjax.errors import InputError
from flpjax.fitting.bootstrap import bootstrap
from flpjax.fitting.point import point
from flpjax.ladder.simulate import LADDER
from flpjax.laws.discrepancy import Discrepancy
from flpjax.laws.loss_score import Sigmoid
from flpjax.methods.blend import Blend, ScoreMap
from flpjax.methods.flp import FLP
from flpjax.methods.registry import method
from flpjax.results.caveats import outside
from flpjax.results.forecast import Interval, forecast, scatter
from flpjax.results.target import Target, targets_of

PICK = [1, 2, 5]  # the fixture's three tasks among the truth's six


def with_param(draws, stage, name, change):
    """The same draws with one parameter ``(draw, output)`` changed."""
    params = {s: dict(p) for s, p in draws.params.items()}
    params[stage][name] = jnp.asarray(change(np.array(params[stage][name])))
    return replace(draws, params=params)


@pytest.fixture(scope="module")
def targets(noisy):
    return targets_of(noisy.runs.targets())


def test_without_noise_the_forecast_is_the_truth(exact, key):
    draws = point(FLP(), exact.runs, key)
    targets = [*targets_of(exact.runs.targets()), Target("C only", flops=3.3e23)]
    seen = forecast(draws, targets)
    flops = [t.flops for t in seen.targets]
    np.testing.assert_allclose(seen.loss_draws[0], exact.truth.loss(flops), rtol=1e-6)
    np.testing.assert_allclose(seen.score_draws[0], exact.truth.score(flops)[:, PICK], rtol=1e-6)
    finals = exact.runs.targets().finals()
    np.testing.assert_allclose([seen.loss[i]["code"].median for i in range(2)], finals.loss_of("code"), rtol=1e-6)
    np.testing.assert_allclose([seen.score[i]["bbh"].median for i in range(2)], finals.score_of("bbh"), rtol=1e-6)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_are_quantiles_of_the_draws(sound, targets, level):
    seen = forecast(sound, targets, level=level, measured=False)
    assert seen.loss_draws.shape == (7, 2, 5)
    assert seen.score_draws.shape == (7, 2, 3)
    p = sound.params
    for i, target in enumerate(targets):
        loss = np.exp(
            p["loss"]["log_level"] + p["loss"]["exponent"] * (np.log(target.flops) - sound.model.compute_loss.centre)
        )
        score = p["score"]["level"] + p["score"]["slope"] * (loss[:, :1] - sound.model.loss_score.centre)
        for names, found, draws in (
            (sound.model.domains, seen.loss[i], loss),
            (sound.model.tasks, seen.score[i], np.clip(score, 0, 1)),
        ):
            assert tuple(found) == names
            for j, name in enumerate(names):
                expected = np.nanquantile(draws[:, j], [0.5, (1 - level) / 2, (1 + level) / 2])
                got = found[name]
                np.testing.assert_allclose([got.median, got.lower, got.upper], expected, rtol=1e-10)


def test_measured_intervals_add_the_scatter_of_runs(noisy, key):
    """A measured value scatters by the residuals of both stages, those of the loss through the map to the score."""
    draws = bootstrap(FLP(), noisy.runs, key, draws=499)
    target = [Target("7B", flops=5e22)]
    expected, measured = (forecast(draws, target, measured=m) for m in (False, True))
    fits = draws.fits
    for j, domain in enumerate(draws.model.domains):
        inner, outer = np.log(expected.loss_draws[:, 0, j]), np.log(measured.loss_draws[:, 0, j])
        spread = np.sqrt(np.nanvar(inner) + fits["loss"].residual_sd[j] ** 2)
        assert np.nanstd(outer) == pytest.approx(spread, rel=0.05), domain
        assert np.nanmedian(outer) == pytest.approx(np.nanmedian(inner), abs=0.2 * spread)
    noise = scatter(draws)
    loss = np.log(measured.loss_draws[:, 0, 0]) - np.log(expected.loss_draws[:, 0, 0])
    np.testing.assert_allclose(loss, noise.loss[:, 0], atol=1e-12)
    slope = np.asarray(draws.params["score"]["slope"])
    moved = slope * (measured.loss_draws[:, 0, :1] - expected.loss_draws[:, 0, :1]) + np.asarray(noise.score)
    inside = (measured.score_draws[:, 0] > 0) & (measured.score_draws[:, 0] < 1)
    inside &= (expected.score_draws[:, 0] > 0) & (expected.score_draws[:, 0] < 1)
    assert inside.mean() > 0.6
    off = (measured.score_draws - expected.score_draws)[:, 0]
    np.testing.assert_allclose(off[inside], moved[inside], atol=1e-12)


def test_scatter_is_normal_and_independent(noisy, key):
    draws = bootstrap(FLP(), noisy.runs, key, draws=499)
    noise = scatter(draws)
    unit = [
        noise.loss / draws.fits["loss"].residual_sd[None, :],
        noise.score / draws.fits["score"].residual_sd[None, :],
    ]
    for values in unit:
        for column in np.asarray(values).T:
            assert stats.kstest(column, "norm").statistic < 0.02
    assert abs(np.corrcoef(unit[0][:, 0], unit[1][:, 0])[0, 1]) < 0.1


def test_a_wider_level_holds_a_narrower_one(sound, targets):
    narrow, wide = (forecast(sound, targets, level=level).score[0]["bbh"] for level in (0.5, 0.9))
    assert wide.lower < narrow.lower < narrow.median == wide.median < narrow.upper < wide.upper


def test_a_point_fit_has_no_width_and_says_so(staged, targets):
    seen = forecast(staged, targets)
    for interval in (*seen.loss[0].values(), *seen.score[1].values()):
        assert interval.lower == interval.median == interval.upper
    assert "this is a point fit: it has no intervals" in seen.warnings


def test_a_bootstrap_says_no_such_thing(booted, targets):
    assert not any("point fit" in w for w in forecast(booted, targets).warnings)


def repeated(draws, times):
    """Each draw so many times."""
    return replace(draws, params=jax.tree.map(lambda v: jnp.repeat(v, times, axis=0), draws.params))


def failing(draws, stage, name, output, number):
    """The same draws with the first of one output failed."""

    def fail(values):
        values[:number, output] = np.nan
        return values

    return with_param(draws, stage, name, fail)


def test_few_draws_that_failed_are_left_out_of_intervals(sound, targets):
    many = repeated(sound, 6)
    whole = forecast(many, targets)
    seen = forecast(failing(many, "score", "slope", 2, 2), targets)
    got = seen.score[0]["triviaqa"]
    expected = np.quantile(whole.score_draws[2:, 0, 2], [0.05, 0.5, 0.95])
    np.testing.assert_allclose([got.lower, got.median, got.upper], expected, rtol=1e-12)
    assert seen.score[0]["bbh"] == whole.score[0]["bbh"]
    np.testing.assert_array_equal(np.isnan(seen.score_draws[:, 0, 2]), np.arange(42) < 2)
    np.testing.assert_allclose(seen.lost[0, -1], 2 / 42)
    assert seen.draws == 42


def test_more_than_a_few_leave_no_interval_and_that_is_said(sound, targets):
    """Those left are no fair sample; resamples that took too few runs are passed over, up to a quarter of them."""
    few, many = (failing(repeated(sound, 6), "score", "slope", 2, n) for n in (3, 12))
    assert "triviaqa" in forecast(replace(few, kind="bootstrap"), targets).score[0]
    assert "triviaqa" not in forecast(replace(many, kind="bootstrap"), targets).score[0]
    seen = forecast(replace(few, kind="blend"), targets)
    assert set(seen.score[0]) == set(seen.score[1]) == {"bbh", "hellaswag"}
    (said,) = [w for w in seen.warnings if "'triviaqa'" in w and "not forecast" in w]
    assert said.startswith(
        "'triviaqa' is not forecast: 7% of the draws have no value, and those left are no fair sample"
    )
    assert "triviaqa" not in {row["name"] for row in seen.to_dicts()}


def test_a_task_whose_draws_all_failed_is_named_and_left_out(sound, targets):
    seen = forecast(failing(sound, "score", "level", 1, 7), targets)
    assert set(seen.score[0]) == {"bbh", "triviaqa"}
    assert "'hellaswag' is not forecast: no draw could be fitted" in seen.warnings
    assert "NaN" not in seen.to_json()


def test_scores_outside_the_scale_are_clipped_with_a_warning(sound, targets):
    def lift(values):
        values[:, 0] += 3.0
        values[:, 2] -= 3.0
        return values

    raised = with_param(sound, "score", "level", lift)
    seen = forecast(raised, targets)
    assert seen.score[0]["bbh"] == Interval(1.0, 1.0, 1.0)
    assert seen.score[0]["triviaqa"] == Interval(0.0, 0.0, 0.0)
    outside = [w for w in seen.warnings if "scale of scores" in w]
    medians = np.nanmedian(forecast(sound, targets).score_draws, axis=0)
    for warning, target, (bbh, _, triviaqa) in zip(outside, targets, medians, strict=True):
        assert warning.startswith(
            f"target '{target.name}': 'bbh' ({bbh + 3:.2f}), 'triviaqa' ({triviaqa - 3:.2f}) left the scale of scores"
        )
        assert warning.endswith("were clipped: the form has no bounds there; a sigmoid has")
    assert not any("scale of scores" in w for w in forecast(sound, targets).warnings)


def test_a_sigmoid_is_no_remedy_where_a_sigmoid_was_carried_off():
    carried = ScoreMap("sigmoid", Discrepancy(Sigmoid(), "linear"), (0,))
    model = Blend((), (carried,), (), ("quiz",))
    (warning,) = outside([Target("far", flops=1e26)], model, np.full((3, 1, 1), 1.2))
    assert warning.endswith(": what a law may be wrong by has no bounds so far from the runs; a larger run would tell")
    assert "sigmoid" not in warning


def test_flops_left_out_are_counted_by_the_ladders_rule(booted):
    layers, width, ffn, tokens = LADDER["7B"]
    params = layers * (4 * width**2 + 3 * width * ffn)
    counted = float(tokens * (6 * params + 6 * layers * width * 2048))
    (target,) = forecast(booted, [Target("7B", params=params, tokens=tokens)]).targets
    assert abs(6 * params * tokens / counted - 1) > 0.03  # so that the rule has something to tell
    np.testing.assert_allclose(target.flops, counted, rtol=0.005)


def test_a_ladder_of_6nd_counts_6nd(table, key):
    loss = 4.0 * (2.0 ** np.arange(5))[:, None] ** -0.1 * np.ones((1, 2))
    draws = point(FLP(), table({"general": loss}, {}), key)
    (target,) = forecast(draws, [Target("t", params=7e9, tokens=4e12)]).targets
    np.testing.assert_allclose(target.flops, 6 * 7e9 * 4e12, rtol=1e-12)


def test_flops_given_are_kept(booted):
    (target,) = forecast(booted, [Target("t", params=7e9, tokens=4e12, flops=1.23e23)]).targets
    assert target.flops == 1.23e23


def test_flops_counted_in_another_way_are_warned_of(booted):
    odd = Target("odd", params=7e9, tokens=1e12, flops=2 * 7e9 * 1e12)
    fair = replace(odd, name="fair", flops=None)
    warnings = forecast(booted, [odd, fair]).warnings
    assert [w.split(" FLOPs per")[0] for w in warnings if "counted in the same way" in w] == ["target 'odd' has 2.00"]


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (0.5, "target 't' lies inside the ladder (0.5 × its largest run): this is interpolation"),
        (1.0, "target 't' lies inside the ladder (1 × its largest run): this is interpolation"),
        (30.0, None),
        (2500.0, "target 't' lies 2,500 × beyond the ladder's largest run: no law was ever checked that far"),
    ],
)
def test_how_far_a_target_lies_is_said(noisy, booted, times, words):
    largest = noisy.runs.training().finals().flops.max()
    seen = forecast(booted, [Target("t", flops=times * largest)])
    np.testing.assert_allclose(seen.extrapolation, [times], rtol=1e-12)
    said = [w for w in seen.warnings if w.startswith("target 't' lies")]
    assert [w.startswith(words) for w in said] == [True] if words else said == []


def test_a_law_in_n_and_d_takes_them_from_the_ladder_for_a_target_in_flops(noisy, key):
    draws = point(method("chinchilla+sigmoid"), noisy.runs, key)
    seen = forecast(draws, [Target("whole", params=7e9, tokens=4e12), Target("part", flops=1e23)])
    assert set(seen.score[0]) == set(seen.score[1]) == {"bbh", "hellaswag", "triviaqa"}
    assert seen.targets[1].params == pytest.approx(draws.ladder.size.params(1e23))
    (said,) = [w for w in seen.warnings if "'part' has FLOPs only" in w]
    assert "N and D taken from the ladder's own rule: N=" in said


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 90.0, float("nan")])
def test_a_level_that_is_no_probability_is_refused(booted, targets, level):
    with pytest.raises(
        InputError, match=rf"^the level {level:g} is no probability\. Give it between 0 and 1, say 0\.9"
    ):
        forecast(booted, targets, level=level)


def test_no_target_is_refused(booted):
    with pytest.raises(InputError, match=r"^there is no target\. Give one, say N=7e9,D=4e12$"):
        forecast(booted, [])
