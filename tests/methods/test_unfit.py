"""What a ladder can't carry: left out with a warning where others go on, refused where nothing is left."""

import re

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.fitting.point import point
from flpjax.ladder.tasks import Task
from flpjax.laws.power_law import Chinchilla, PowerLawE
from flpjax.methods.direct import FP
from flpjax.methods.flp import FLP
from flpjax.results.forecast import forecast
from flpjax.results.target import Target

RUNS, STEPS = 7, 5
LOSS = 4.0 * (2.0 ** np.arange(RUNS))[:, None] ** -0.1 * (np.arange(1, STEPS + 1) / STEPS) ** -0.2
GOOD = 0.9 - 0.12 * LOSS
CHANCE = np.full(LOSS.shape, 0.25)
TASKS = (Task("good", chance=0.25), Task("mute", chance=0.25), Task("dumb", chance=0.25))


def test_a_task_that_never_emerged_is_left_out_by_name(table, key):
    runs = table({"general": LOSS}, {"mute": CHANCE, "good": GOOD}, TASKS)
    draws = point(FLP(), runs, key)
    assert draws.model.tasks == ("good",)
    (warning,) = FLP().bind(runs).warnings
    assert warning in draws.warnings
    assert warning.startswith(
        "task 'mute' is not forecast: no checkpoint is above its chance level of 0.25 (best 0.25) ("
    )
    assert "near chance" in warning
    seen = forecast(draws, [Target("t", flops=1e20)])
    assert set(seen.score[0]) == {"good"}
    np.testing.assert_allclose(seen.score[0]["good"].median, 0.9 - 0.12 * seen.loss[0]["general"].median, rtol=1e-9)


def test_losses_are_forecast_when_no_task_is(table, key):
    runs = table({"general": LOSS}, {"mute": CHANCE, "dumb": CHANCE}, TASKS)
    draws = point(FLP(), runs, key)
    seen = forecast(draws, [Target("t", flops=1e20)])
    assert seen.score == ({},)
    slope, intercept = np.polyfit(np.log(runs.finals().flops), np.log(LOSS[:, -1]), 1)
    expected = np.exp(slope * np.log(1e20) + intercept)
    np.testing.assert_allclose(seen.loss[0]["general"].median, expected, rtol=1e-9)
    assert [w.split(" is not")[0] for w in draws.warnings if w.startswith("task")] == ["task 'mute'", "task 'dumb'"]


def test_a_ladder_without_scores_has_losses(table):
    bound = FLP().bind(table({"general": LOSS}, {}))
    assert [s.name for s in bound.stages] == ["loss"]
    assert bound.warnings == ()


def test_checkpoints_of_one_run_alone_do_not_fit_a_task(table):
    late = np.where(np.arange(RUNS)[:, None] == RUNS - 1, GOOD, 0.25)
    bound = FLP().bind(table({"general": LOSS}, {"good": GOOD, "mute": late}, TASKS))
    (warning,) = bound.warnings
    assert re.match(r"task 'mute' is not forecast: its \d+ checkpoints are all of one run \(", warning)
    assert bound.model.tasks == ("good",)


def test_fewer_checkpoints_than_parameters_do_not_fit_a_task(table):
    one = np.full(LOSS.shape, np.nan)
    one[-1, -1] = 0.5
    bound = FLP().bind(table({"general": LOSS}, {"good": GOOD, "mute": one}, TASKS))
    rows = RUNS * STEPS
    assert bound.warnings == (
        f"task 'mute' is not forecast: 1 checkpoint is fewer than the 2 parameters ({rows - 1} no score)",
    )


def test_an_unknown_chance_level_is_said(table):
    bound = FLP().bind(table({"general": LOSS}, {"odd": GOOD}))
    assert bound.warnings == (
        "the chance level of task 'odd' is unknown and taken as 0: give it under [tasks.odd] in a mapping file",
    )


TOO_FEW = {
    "two runs, five parameters": (
        FLP(Chinchilla()),
        2,
        "by hand, loss 'general': 2 runs with a final value, and Chinchilla has 5 parameters. Give at least 5 runs, or "
        "choose a form with fewer parameters",
    ),
    "two runs, three parameters": (
        FLP(PowerLawE()),
        2,
        "by hand, loss 'general': 2 runs with a final value, and PowerLawE has 3 parameters. Give at least 3 runs",
    ),
    "one run": (
        FLP(),
        1,
        "by hand, loss 'general': one run only with a final value, and PowerLaw has 2 parameters. Give at least 2 runs",
    ),
    "one run, FP": (FP(), 1, "by hand: one run only with a final value, and PowerLaw has 2 parameters"),
}


@pytest.mark.parametrize("case", TOO_FEW)
def test_fewer_runs_than_parameters_are_refused(table, key, case):
    method, count, message = TOO_FEW[case]
    runs = table({"general": LOSS[:count]}, {"good": GOOD[:count]}, TASKS)
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        point(method, runs, key)


def test_held_out_runs_do_not_count(table, key):
    runs = table({"general": LOSS[:3]}, {"good": GOOD[:3]}, TASKS).hold_out(["r1", "r2"])
    with pytest.raises(InputError, match="one run only with a final value"):
        point(FLP(), runs, key)


def test_no_losses_point_to_fp(table, key):
    with pytest.raises(
        InputError,
        match=r"^by hand: there is no column 'loss/<domain>'\. FLP goes through a loss; the method 'fp' goes straight",
    ):
        point(FLP(), table({}, {"good": GOOD}, TASKS), key)


def test_no_scores_are_no_case_for_fp(table, key):
    with pytest.raises(InputError, match=r"there is no column 'score/<task>'\. FP needs scores"):
        point(FP(), table({"general": LOSS}, {}), key)


def test_fp_leaves_out_tasks_at_chance_and_goes_on(table):
    bound = FP().bind(table({}, {"mute": CHANCE, "good": GOOD}, TASKS))
    assert bound.model.tasks == ("good",)
    assert bound.warnings == ("task 'mute' is not forecast: 0 of 7 runs end above chance, 3 are needed",)


def test_fp_with_all_tasks_at_chance_points_to_what_is_left(table):
    message = r"no task has 3 runs that end above chance\. Train larger runs, or score an easier metric; "
    with pytest.raises(InputError, match=message + "'flat'"):
        FP().bind(table({}, {"mute": CHANCE}, TASKS))
    with pytest.raises(InputError, match=message + "losses can be forecast, with 'flp'"):
        FP().bind(table({"general": LOSS}, {"mute": CHANCE}, TASKS))


def test_fp_points_to_flp_where_checkpoints_on_the_way_emerged(table):
    late = np.where(np.arange(RUNS)[:, None] >= RUNS - 2, GOOD, 0.25)
    with pytest.raises(InputError, match=r"FLP uses intermediate checkpoints too: try the method 'flp'"):
        FP().bind(table({"general": LOSS}, {"mute": late}, TASKS))
