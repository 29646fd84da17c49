"""Tasks that get worse with scale: their map, and which tasks take it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flpjax.fitting.fit import fit
from flpjax.ladder.build import build_runs
from flpjax.ladder.tasks import Task
from flpjax.laws.loss_score import FallingSigmoid
from flpjax.methods.registry import Auto, method
from flpjax.results.forecast import forecast
from flpjax.results.target import Target

CHANCE = 0.25
TOP, STEEP, MIDDLE = 0.55, 5.0, 2.8


def fallen(loss):
    """What the task scores at a loss: it falls to chance."""
    return CHANCE + (TOP - CHANCE) / (1.0 + np.exp(-STEEP * (loss - MIDDLE)))


@pytest.fixture(scope="module")
def runs():
    """Seven runs of Chinchilla's law, with one task that falls and one that rises."""
    params = 1e7 * 2.0 ** np.arange(7)
    tokens = 20.0 * params
    loss = 1.7 + 400.0 * params**-0.34 + 410.0 * tokens**-0.28
    noise = np.random.default_rng(3).normal(0.0, 0.004, (2, 7))
    table = build_runs(
        {
            "run": [f"r{i}" for i in range(7)],
            "params": params,
            "tokens": tokens,
            "loss/c4": loss,
            "score/falls": fallen(loss) + noise[0],
            "score/rises": 0.9 - 0.15 * loss + noise[1],
        }
    )
    return replace(table, tasks=tuple(Task(name, chance=CHANCE) for name in ("falls", "rises")))


def test_a_map_that_falls_takes_the_tasks_that_fall(runs):
    bound = method("chinchilla+falling").bind(runs)
    assert bound.model.tasks == ("falls",)
    assert bound.model.falling == {"falls"}
    assert [w for w in bound.warnings if "'rises' is not forecast: it does not fall with compute" in w]
    assert method("chinchilla+sigmoid").bind(runs).model.falling == frozenset()


def test_auto_gives_it_one_that_ends_at_chance(runs):
    (name,) = [n for n in Auto().members(runs) if "falling" in n]
    member = Auto().members(runs)[name]
    assert member.loss_score == FallingSigmoid(CHANCE)
    assert member.tasks == ("falls",)
    assert name.endswith("to 25")
    risen = replace(runs, score=runs.score[::-1])
    assert [Auto().members(risen)[n].tasks for n in Auto().members(risen) if "falling" in n] == [("rises",)]


def test_a_blend_follows_the_fall_to_chance_where_the_line_would_not_stop(runs, key):
    blend = Auto(("chinchilla+sigmoid", "chinchilla+falling"))
    made = forecast(fit(blend, runs, key, draws=2001), [Target("t", 1e10, 2e11)])
    loss = made.loss[0]["c4"].median
    value = made.score[0]["falls"]
    assert value.median == pytest.approx(fallen(loss), abs=0.03)
    assert value.lower < fallen(loss) < value.upper
    assert any("'falls' falls with scale" in w and "a map that falls takes part" in w for w in made.warnings)
    draws = made.score_draws[:, 0, runs.task_names.index("falls")]
    assert 0.004 < (draws > runs.score[-1, 0]).mean() < 0.04  # it may turn: the largest run's score is no ceiling
