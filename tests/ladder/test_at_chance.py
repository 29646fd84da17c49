"""Tasks at chance are found, those that have left it are not, and few by mistake."""

from dataclasses import replace

import numpy as np
import pytest

from flpjax.ladder.at_chance import LEVEL, at_chance, tasks_at_chance
from flpjax.ladder.tasks import Task

FOUR = Task("t", 0.25, 1000)  # scatters by 1.4 points
ASLEEP = [0.262, 0.241, 0.255, 0.238, 0.249, 0.271, 0.244]
AWAKE = [0.248, 0.255, 0.241, 0.262, 0.249, 0.310, 0.402]
UNCOUNTED = replace(FOUR, questions=None)


@pytest.mark.parametrize(
    ("score", "task", "found"),
    [
        (ASLEEP, FOUR, True),
        (ASLEEP, UNCOUNTED, True),
        (AWAKE, FOUR, False),
        (AWAKE, UNCOUNTED, False),
        ([0.0, 0.0, 0.001, 0.0, 0.0], Task("t", 0.0, 1000), True),
        ([0.0, 0.0, 0.001, 0.0, 0.02], Task("t", 0.0, 1000), False),
        ([0.2, 0.21, 0.2, 0.19, 0.21], FOUR, True),
        ([0.05, 0.1, 0.15, 0.2, 0.24], FOUR, False),
        ([0.26, 0.27, 0.25, 0.27, 0.26], FOUR, True),
        ([0.27, 0.28, 0.26, 0.28, 0.27], replace(FOUR, questions=20_000), False),
        (ASLEEP[:3], FOUR, False),
    ],
    ids=["at chance", "questions unknown", "left", "left, questions unknown", "none answered", "some answered",
         "below chance", "rises to chance", "within the noise", "beyond the noise", "three runs"],
)  # fmt: skip
def test_at_chance(score, task, found):
    order = np.random.default_rng(1).permutation(len(score))
    flops = 1e18 * 3.0 ** np.arange(len(score))
    assert at_chance(flops[order], np.array(score)[order], task) == found


def test_tasks_of_a_ladder(table):
    columns = {"asleep": ASLEEP, "awake": AWAKE, "unknown": ASLEEP}
    tasks = (replace(FOUR, name="asleep"), replace(FOUR, name="awake"), Task("unknown", 0.0, chance_known=False))
    runs = table({}, {name: np.repeat(np.array(v)[:, None], 2, axis=1) for name, v in columns.items()}, tasks)
    assert tasks_at_chance(runs.finals()) == {"asleep"}


@pytest.mark.parametrize("questions", [100, None])
def test_few_are_taken_for_awake(questions):
    rng = np.random.default_rng(2)
    scores = rng.binomial(100, 0.25, size=(600, 11)) / 100
    flops = 1e18 * 3.0 ** np.arange(11)
    wrong = np.mean([not at_chance(flops, score, Task("t", 0.25, questions)) for score in scores])
    assert wrong <= LEVEL + 0.03
