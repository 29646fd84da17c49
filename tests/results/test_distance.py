"""How far a target lies from the runs: in FLOPs, in tokens per parameter, and below the smallest."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from flpjax.fitting.draws import LadderSummary
from flpjax.ladder.build import build_runs
from flpjax.ladder.outline import convex_hull, flops_range_at
from flpjax.results.distance import extrapolation_warning, place_of
from flpjax.results.ladder_checks import check_distance
from flpjax.results.target import Target
from flpjax.results.verdicts import Verdict

PARAMS = 5e7 * 2.0 ** np.arange(7)


def ladder_of(params, tokens):
    loss = 1.69 + 406.4 * params**-0.34 + 410.7 * tokens**-0.28
    names = np.array([f"r{i}" for i in range(len(params))], object)
    columns = {"run": names, "params": params, "tokens": tokens, "loss/c4": loss}
    return LadderSummary.of(build_runs(columns, source="by hand"))


def grid(ratios, params=PARAMS):
    n, r = (v.ravel() for v in np.meshgrid(params, np.asarray(ratios, float)))
    return ladder_of(n, r * n)


@pytest.fixture(scope="module")
def one_ratio():
    return ladder_of(PARAMS, 20 * PARAMS)


def said(ladder, target):
    """Finding and warnings."""
    (finding,) = check_distance(SimpleNamespace(ladder=ladder), [target])
    return finding, "; ".join(extrapolation_warning(target.filled(ladder.rule), ladder))


def test_one_ratio_and_targets_at_it_are_as_before(one_ratio):
    for n in (1e8, 3.3e9, 1e10):
        finding, words = said(one_ratio, Target("t", n, 20.2 * n))
        assert (finding.verdict, finding.remedy) == (Verdict.PASS, "")
        assert "tokens per parameter" not in words
        assert ("interpolation" in words) == (n < 3.2e9)
    place = place_of(Target("t", 1e10, 2e11).filled(one_ratio.rule), one_ratio)
    assert place == pytest.approx((2 * np.log(1e10 / 3.2e9), 0.0, 0.0), abs=1e-9)


def test_too_many_tokens_per_parameter_are_no_interpolation(one_ratio):
    """Issue 16: by FLOPs alone D/N = 2000 lay inside a ladder of D/N = 20."""
    finding, words = said(one_ratio, Target("t", 1e8, 2e11))
    told = "D/N = 2e+03 lies 4.6 e-folds beyond the ladder's tokens per parameter (20 to 20)"
    assert told in finding.figure
    assert told in words
    assert finding.verdict == Verdict.FAIL
    assert finding.remedy == "Train runs of about its tokens per parameter"
    assert "interpolation" not in words
    finding, words = said(one_ratio, Target("t", 1e9, 1.2e11))
    assert finding.verdict == Verdict.REVIEW
    assert "1.8 e-folds" in words
    finding, words = said(one_ratio, Target("t", 1e9, 1e9))
    assert "D/N = 1 lies 3.0 e-folds" in words


def test_a_target_below_the_smallest_run_is_no_interpolation(one_ratio):
    finding, words = said(one_ratio, Target("t", 5e6, 1e8))
    assert finding.verdict == Verdict.FAIL
    assert "0.01 × the smallest run lies 4.6 e-folds below the ladder" in finding.figure
    assert "0.01 × the smallest run lies 4.6 e-folds below the ladder" in words
    assert "interpolation" not in words
    assert said(one_ratio, Target("t", 3e7, 6e8))[0].verdict == Verdict.PASS


@pytest.mark.parametrize("known", [{"params": 1e8}, {"tokens": 2e11}])
def test_n_or_d_with_flops_tell_the_other(one_ratio, known):
    assert place_of(Target("t", flops=1.2e20, **known), one_ratio).aside == pytest.approx(np.log(100), rel=1e-6)


def test_a_grid_knows_what_it_varies():
    ladder = grid((5, 20, 320))
    assert said(ladder, Target("t", 2e9, 6e11))[0].verdict == Verdict.PASS
    assert said(ladder, Target("t", 4e9, 1.2e12))[1] == ""
    assert "1.8 e-folds beyond the ladder's tokens per parameter (5 to 320)" in said(ladder, Target("t", 2e9, 4e12))[1]


def test_many_tokens_per_parameter_tried_at_small_runs_only():
    few = PARAMS[:2]
    ladder = ladder_of(np.r_[PARAMS, few], np.r_[20 * PARAMS, 2000 * few])
    target = Target("t", 2e9, 4e12)
    finding, words = said(ladder, target)
    assert place_of(target.filled(ladder.rule), ladder)[1:] == (0.0, 0.0)
    assert "beyond the largest of about its tokens per parameter" in finding.figure
    assert finding.verdict == Verdict.REVIEW
    words = said(ladder, Target("t", 2.5e8, 5e11))[1]
    assert "lies 3.1 × beyond the ladder's largest run of about its tokens per parameter" in words


def test_a_path_that_changes_its_ratio_may_go_on():
    """All runs see one D: on their way to larger N, D/N falls; a target as far off their way is aside."""
    ladder = ladder_of(PARAMS, np.full(7, 1e10))
    assert place_of(Target("t", 2e10, 1e10).filled(ladder.rule), ladder).aside == pytest.approx(0.0, abs=1e-6)
    assert place_of(Target("t", 1e9, 1e12).filled(ladder.rule), ladder).aside > 1.0


def test_flops_alone_have_a_distance_in_flops_alone(one_ratio):
    assert place_of(Target("t", flops=1e19), one_ratio) == (0.0, 0.0, 0.0)
    columns = {"run": ["a", "b", "c"], "flops": [1e18, 1e19, 1e20], "loss/c4": [3.0, 2.8, 2.6]}
    ladder = LadderSummary.of(
        build_runs({k: np.array(v, object if k == "run" else float) for k, v in columns.items()}, source="C")
    )
    assert ladder.outline == ()
    assert said(ladder, Target("t", 1e8, 1e12, 6e19))[0].verdict == Verdict.PASS
    assert place_of(Target("t", flops=1e17), ladder).below == pytest.approx(np.log(10))


def test_the_outline_is_the_convex_hull():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 97))
    corners = np.array(convex_hull(x, y))
    hull = ConvexHull(np.stack([x, y], axis=1))
    assert {tuple(c) for c in corners.tolist()} == {(x[i], y[i]) for i in hull.vertices}
    inside = hull.equations[:, :2], hull.equations[:, 2]
    for at in (-1.0, 0.3, 1.2):
        line = np.linspace(-4, 4, 80_001)
        held = ((inside[0] @ np.stack([np.full_like(line, at), line])) + inside[1][:, None] <= 1e-9).all(axis=0)
        assert flops_range_at(convex_hull(x, y), at, 0.0) == pytest.approx(
            (line[held].min(), line[held].max()), abs=2e-4
        )
    assert convex_hull(np.zeros(3), np.arange(3.0)) == ((0.0, 0.0), (0.0, 2.0))
    assert convex_hull(np.array([0.0, np.nan]), np.zeros(2)) == ()
    assert flops_range_at(convex_hull(np.zeros(3), np.arange(3.0)), 5.0, 1.0) == (0.0, 2.0)
    assert flops_range_at(((1.0, 2.0),), 5.0, 1.0) == (2.0, 2.0)
