"""A task at chance is forecast from chance upward, with the probability of take-off that other ladders' tasks tell."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from flpjax.fitting.averaging.auto import auto
from flpjax.fitting.averaging.hyperpriors import TAKE_OFF, Wait
from flpjax.fitting.averaging.take_off import _level
from flpjax.ladder.tasks import Task
from flpjax.methods.blend import SHARES
from flpjax.results.forecast import forecast
from flpjax.results.target import Target
from tests.conftest import FEW

CHANCE, QUESTIONS, DRAWS = 0.25, 1000, 101
NEAR, FAR = Target("near", flops=1e22), Target("far", flops=1e26)


@pytest.fixture(scope="module")
def half_asleep(noisy, key):
    """The shared ladder, one of its tasks replaced by guesses."""
    runs = noisy.runs
    score = runs.score.copy()
    score[:, 0] = np.random.default_rng(5).binomial(QUESTIONS, CHANCE, len(runs)) / QUESTIONS
    tasks = (Task("asleep", CHANCE, QUESTIONS), *runs.tasks[1:])
    asleep = replace(runs, tasks=tasks, score=score)
    return asleep, auto(asleep, key, draws=DRAWS, methods=FEW)


def test_expected_scores_start_at_chance(half_asleep):
    runs, draws = half_asleep
    seen = forecast(draws, [NEAR, FAR], measured=False)
    lowest = min(CHANCE, runs.training().finals().score[:, 0].min())
    level = runs.training().finals().score[:, 0].mean()
    assert seen.score_draws[:, :, 0].min() >= lowest
    near, far = (each["asleep"] for each in seen.score)
    assert near.lower == pytest.approx(level, abs=0.01)
    assert far.lower == pytest.approx(level, abs=0.01)  # it may stay at chance for ever
    assert far.upper > level + 0.1
    assert forecast(draws, [NEAR]).score[0]["asleep"].lower < near.lower  # a measured one scatters


def test_the_chance_of_take_off_is_that_of_other_ladders(half_asleep):
    runs, draws = half_asleep
    seen = forecast(draws, [NEAR, FAR], measured=False)
    finals = runs.training().finals()
    gone = np.log(finals.loss_of(draws.model.domains[0]).min()) - np.log(seen.loss_draws[:, :, 0])
    near, far = TAKE_OFF["loss"].by(np.maximum(gone, 0.0)).mean(axis=0)
    assert seen.take_off[0] == {"asleep": pytest.approx(near, abs=0.04)}
    assert seen.take_off[1] == {"asleep": pytest.approx(far, abs=0.04)}
    assert near < 0.5 < far
    told = [row["take_off"] for row in seen.to_dicts() if row["kind"] == "score"]
    assert told[0] == seen.take_off[0]["asleep"]
    assert told[1:3] == [None, None]
    first = json.loads(seen.to_json())["targets"][0]["score"]
    assert first["asleep"]["take_off"] == seen.take_off[0]["asleep"]
    percent = f"{100 * seen.take_off[1]['asleep']:.0f} %"
    assert f"at chance so far; chance of take-off by target 'far': {percent} ('asleep')" in seen.warnings


def test_only_the_task_at_chance_takes_off(half_asleep, blended):
    _, draws = half_asleep
    (part,) = (m for m in draws.model.maps if m.name == "take-off")
    assert [draws.model.tasks[i] for i in part.tasks] == ["asleep"]
    share = np.asarray(draws.params[SHARES]["score"])[:, draws.model.maps.index(part)]
    np.testing.assert_array_equal(share, np.broadcast_to([1.0, 0.0, 0.0], share.shape))
    assert "take-off" not in blended.model.names
    assert forecast(blended, [FAR]).take_off == ({},)


def test_no_score_is_expected_below_the_lowest(half_asleep):
    runs, draws = half_asleep
    finals = runs.training().finals()
    lowest = np.minimum([t.chance for t in runs.tasks], finals.score.min(axis=0))
    np.testing.assert_allclose(np.asarray(draws.params[SHARES]["lowest"]), np.tile(lowest, (DRAWS, 1)))
    tiny = forecast(draws, [Target("tiny", params=1e3, tokens=1e4)], measured=False)
    assert (tiny.score_draws[:, 0] >= lowest).all()


def test_the_level_is_students():
    """Of many runs the noise is told by them, nearly: the level's bounds are those of a t test."""
    score = 0.25 + 0.02 * np.random.default_rng(3).standard_normal(23)
    level, noise = _level(score, 4001, np.random.default_rng(4))
    scale = score.std(ddof=1) / np.sqrt(23)
    wanted = score.mean() + scale * stats.t(22).ppf([0.05, 0.5, 0.95])
    np.testing.assert_allclose(np.quantile(level, [0.05, 0.5, 0.95]), wanted, atol=0.2 * scale)
    assert np.median(noise) == pytest.approx(score.std(ddof=1), rel=0.1)


def test_distances_are_those_of_hazards_that_differ():
    """An exponential wait at a hazard drawn from a gamma distribution."""
    wait = Wait(hazard=2.0, spread=0.8, rise_median=1.0, rise_sd=1.0)
    rng = np.random.default_rng(6)
    drawn = rng.exponential(size=200_000) / rng.gamma(1.0 / wait.spread, wait.spread * wait.hazard, 200_000)
    for distance in (0.1, 0.5, 2.0):
        assert wait.by(np.array(distance)) == pytest.approx((drawn < distance).mean(), abs=0.004)
        assert wait.distance(wait.by(np.array(distance))) == pytest.approx(distance, rel=1e-9)
