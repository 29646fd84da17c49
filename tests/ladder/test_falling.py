"""Tasks that fall with scale are found, others are not; rank tests against SciPy."""

import numpy as np
import pytest
from scipy import stats

from flpjax.ladder.falling import falling_tasks, odds_of_falling
from flpjax.ladder.simulate import simulate_ladder
from flpjax.ladder.tasks import Task

FALLS = [0.460, 0.421, 0.381, 0.345, 0.312, 0.279, 0.249]


@pytest.mark.parametrize(
    ("score", "found"),
    [
        (FALLS, True),
        (FALLS[:4], True),
        ([0.46, 0.43, 0.44, 0.35, 0.36, 0.28, 0.25], True),
        (FALLS[:3], False),
        (FALLS[::-1], False),
        ([0.24, 0.235, 0.23, 0.225, 0.222, 0.221, 0.22], False),
        ([0.40, 0.46, 0.41, 0.45, 0.40, 0.44, 0.41], False),
        ([0.460, 0.459, 0.458, 0.457, 0.456, 0.455, 0.454], False),
    ],
    ids=["falls", "four runs", "with noise", "three runs", "rises", "at chance", "flat", "by nothing"],
)
def test_falling(table, score, found):
    scores = np.repeat(np.array(score)[:, None], 2, axis=1)
    finals = table({}, {"t": scores}, (Task("t", chance=0.22),)).finals()
    assert [f.task for f in falling_tasks(finals)] == (["t"] if found else [])


def test_what_it_is_kept_within(table):
    scores = np.repeat(np.array([0.46, 0.42, 0.44, 0.35, 0.30])[:, None], 2, axis=1)
    finals = table({}, {"t": scores}, (Task("t", chance=0.22),)).finals()
    (task,) = falling_tasks(finals)
    assert task.lower == 0.22
    at = [0.5 * finals.flops[0], finals.flops[0], finals.flops[1], finals.flops[3], 1e3 * finals.flops[-1]]
    assert [task.upper(c) for c in at] == [0.46, 0.46, 0.44, 0.35, 0.30]


def test_no_task_of_a_ladder_that_rises_is_falling():
    for seed in range(5):
        assert falling_tasks(simulate_ladder(seed, checkpoints=2).runs.finals()) == ()


@pytest.mark.parametrize("runs", [5, 12])
def test_the_odds_are_those_of_a_rank_test(runs):
    rng = np.random.default_rng(runs)
    x, y = rng.normal(size=(2, runs))
    spearman = stats.spearmanr(x, y, alternative="less")
    if runs == 5:

        def statistic(a):
            return stats.spearmanr(a, y).statistic

        exact = stats.permutation_test(
            (x,), statistic, permutation_type="pairings", alternative="less", n_resamples=np.inf
        )
        assert odds_of_falling(x, y) == pytest.approx(exact.pvalue)
    else:
        assert odds_of_falling(x, y) == pytest.approx(spearman.pvalue)
