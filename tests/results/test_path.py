"""Draws along the way to a target: what a forecast says at the same compute, and where the way goes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.results.forecast import forecast, predict_from_loss
from flpjax.results.path import Band, forecast_path, score_map
from flpjax.results.target import Target, targets_of
from tests.results.test_goal import TARGET, by_hand

POINTS = 7


@pytest.fixture(scope="module")
def largest(noisy):
    return max(targets_of(noisy.runs.targets()), key=lambda t: t.flops)


@pytest.fixture(scope="module")
def path(sound, noisy, largest):
    return forecast_path(sound, noisy.runs, largest, level=0.8, points=POINTS)


def test_each_point_is_the_forecast_of_a_model_of_that_size(sound, path):
    targets = [
        Target(str(i), *map(float, point))
        for i, point in enumerate(zip(path.params, path.tokens, path.flops, strict=True))
    ]
    expected = forecast(sound, targets, level=0.8)
    for i in range(POINTS):
        for band, names, values in ((path.loss, path.domains, expected.loss), (path.score, path.tasks, expected.score)):
            for j, name in enumerate(names):
                got = [side[i] for side in band.output(j)]
                want = values[i][name]
                np.testing.assert_allclose(got, (want.median, want.lower, want.upper), rtol=1e-9)


def test_it_goes_from_the_smallest_run_to_the_target(noisy, path, largest):
    finals = noisy.runs.training().finals()
    assert path.flops[0] == pytest.approx(finals.flops.min())
    ends = path.params[-1], path.tokens[-1], path.flops[-1]
    np.testing.assert_allclose(ends, (largest.params, largest.tokens, largest.flops), rtol=1e-9)
    assert path.edge == finals.flops.max()
    assert (np.diff(path.flops) > 0).all()
    counted = path.flops / (path.params * path.tokens)
    assert 5.5 < counted.min() <= counted.max() < 8.5, "N, D and C go together"


def test_a_target_inside_ends_it_at_the_largest_run(sound, noisy):
    inside = forecast_path(sound, noisy.runs, Target("small", 1e8, 1e9), points=3)
    assert inside.flops[-1] == pytest.approx(inside.edge)


def test_the_table_says_the_same(path):
    rows = path.to_dicts()
    assert len(rows) == POINTS * (len(path.domains) + len(path.tasks))
    assert json.loads(path.to_json())["rows"] == rows
    (row,) = (r for r in rows if r["name"] == path.tasks[1] and r["flops"] == path.flops[4])
    assert (row["median"], row["lower"], row["upper"]) == tuple(side[4] for side in path.score.output(1))


def test_a_mixture_is_kept_on_the_way(noisy):
    draws = by_hand(2)
    mixed = replace(TARGET, mix={"general": 0.7, "code": 0.3})
    path = forecast_path(draws, noisy.runs, mixed, measured=False, points=3)
    expected = forecast(draws, [mixed], measured=False)
    assert path.score.median[-1, 0] == pytest.approx(expected.score[0][path.tasks[0]].median)


def test_a_path_needs_two_points(sound, noisy, largest):
    with pytest.raises(InputError, match=r"a path: 1 points\. Give a whole number, 2 at least"):
        forecast_path(sound, noisy.runs, largest, points=1)


def test_bands_leave_out_what_is_not_finite():
    values = np.full((41, 1, 3), np.nan)
    values[:, 0, 0] = np.r_[np.inf, np.repeat([1.0, 3.0], 20)]
    values[:38, 0, 1] = 1.0  # 7 % of the draws lost
    band = Band.of(values, 0.9, 0.05)
    assert band.median[0, 0] == 2.0
    assert np.isnan(band.median[0, 1:]).all()


def test_scores_at_known_losses(sound, noisy, path):
    seen = score_map(sound, noisy.runs, path, measured=False)
    assert seen is not None
    ladder = noisy.runs.training()
    for j, (task, domain) in enumerate(zip(seen.tasks, seen.domains, strict=True)):
        assert seen.loss[0, j] == ladder.loss_of(domain).max()
        assert seen.loss[-1, j] == pytest.approx(path.loss.median[:, path.domains.index(domain)].min())
        losses = np.full((1, len(path.domains)), seen.loss[3, j])
        draws = np.clip(np.asarray(predict_from_loss(sound.model, sound.params, losses))[:, 0, j], 0, 1)
        assert seen.score.median[3, j] == pytest.approx(np.nanmedian(draws))
        row = seen.to_dicts()[j * POINTS + 3]
        assert (row["name"], row["domain"], row["median"]) == (task, domain, seen.score.median[3, j])
    assert score_map(by_hand(2), noisy.runs, path) is None, "its scores are functions of several losses"
