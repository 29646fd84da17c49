"""Llama 3's two stages go through each task's own loss."""

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.fitting.point import point
from flpjax.laws.loss_score import Sigmoid
from flpjax.methods.flp import FLP
from flpjax.methods.registry import ALL_EMERGED
from flpjax.results.forecast import forecast
from flpjax.results.target import Target

RUNS, STEPS = 7, 11
LAWS = {  # task: loss at 1e18 FLOPs, exponent, middle and slope of the sigmoid, all different
    "arc_challenge": (2.1, -0.061, 1.7, 3.1),
    "hellaswag": (1.4, -0.043, 1.2, 4.3),
    "race": (2.9, -0.029, 2.6, 2.3),
}
TARGET = Target("big", params=1e10, tokens=2e11)
THROUGH_OWN = FLP(loss_score=Sigmoid(upper=1.0), via="own", selection=ALL_EMERGED)


def own_loss(task, flops):
    level, exponent, _, _ = LAWS[task]
    return level * (flops / 1e18) ** exponent


def score_at(task, loss):
    _, _, middle, slope = LAWS[task]
    return 0.25 + 0.75 / (1.0 + np.exp(slope * (loss - middle)))


def columns(tasks):
    """Losses and scores of each name in the law of the task at its place in ``tasks``."""
    params = 1e7 * 2.0 ** np.arange(RUNS)
    flops = 6.0 * params * 20.0 * params**1.1  # as the table has it
    trained = np.arange(1, STEPS + 1) / STEPS
    losses = {n: own_loss(t, flops)[:, None] * trained**-0.085 for n, t in zip(LAWS, tasks, strict=True)}
    scores = {n: score_at(t, losses[n]) for n, t in zip(LAWS, tasks, strict=True)}
    return losses, scores


def test_each_task_follows_its_own_loss(table, key):
    draws = point(THROUGH_OWN, table(*columns(LAWS)), key)
    seen = forecast(draws, [TARGET])
    for task in LAWS:
        loss = own_loss(task, 6.0 * TARGET.params * TARGET.tokens)
        np.testing.assert_allclose(seen.loss[0][task].median, loss, rtol=1e-6)
        np.testing.assert_allclose(seen.score[0][task].median, score_at(task, loss), rtol=1e-6)


def test_permuted_tasks_have_permuted_forecasts(table, key):
    order = ("race", "arc_challenge", "hellaswag")
    plain = forecast(point(THROUGH_OWN, table(*columns(LAWS)), key), [TARGET])
    moved = forecast(point(THROUGH_OWN, table(*columns(order)), key), [TARGET])
    for name, task in zip(LAWS, order, strict=True):
        np.testing.assert_allclose(moved.loss[0][name].median, plain.loss[0][task].median, rtol=1e-6)
        np.testing.assert_allclose(moved.score[0][name].median, plain.score[0][task].median, rtol=1e-6)
        assert abs(moved.score[0][name].median - plain.score[0][name].median) > 0.01


def test_other_losses_are_left_alone(table):
    losses, scores = columns(LAWS)
    bound = THROUGH_OWN.bind(table({"general": losses["race"] + 1.0, **losses}, scores))
    assert bound.model.domains == tuple(LAWS)
    kept = bound.stages[1].weight[2] > 0
    assert kept.sum() == RUNS * (STEPS - 1)  # all but the one in the warm-up
    np.testing.assert_array_equal(bound.stages[1].x[2][kept], bound.runs.loss_of("race")[kept])


def test_flp_takes_a_tasks_own_loss_for_no_domain(table):
    losses, scores = columns(LAWS)
    runs = table({**losses, "general": losses["race"] + 1.0}, scores)
    bound = FLP(selection=ALL_EMERGED).bind(runs)
    assert bound.model.domains == ("general",)
    kept = bound.stages[1].weight > 0
    assert kept.sum() == 3 * RUNS * (STEPS - 1)
    np.testing.assert_array_equal(bound.stages[1].x[kept], np.tile(runs.loss_of("general"), (3, 1))[kept])


def test_a_task_without_its_own_loss_is_named(table):
    losses, scores = columns(LAWS)
    del losses["hellaswag"]
    with pytest.raises(
        InputError,
        match=r"by hand: there is no column 'loss/hellaswag', the task's own loss\. Add the negative log-likelihood "
        r".*, leave the task out \(1 of 3 tasks have none\), or ",
    ):
        THROUGH_OWN.bind(table(losses, scores))
