"""A look at a table before anything is fitted: it adds up, and it warns of what it should.

Many runs by their size: they add up, and there are few lines.
"""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from flpjax.cli.show_check import show_check
from flpjax.errors import InputError
from flpjax.ladder.select import Selection
from flpjax.ladder.tasks import Task
from flpjax.methods.flp import FLP
from flpjax.results.check import MOST_SIZES, by_size, check

RUNS, STEPS = 7, 5
LOSS = 4.0 * (2.0 ** np.arange(RUNS))[:, None] ** -0.1 * (np.arange(1, STEPS + 1) / STEPS) ** -0.2
SCORE = 0.9 - 0.12 * LOSS
TASK = (Task("t", chance=0.25),)


def about(runs, words, **kwargs):
    """The warnings that contain some words."""
    return [w for w in check(runs, **kwargs).warnings if words in w]


def test_a_good_ladder_has_no_warnings(table):
    assert check(table({"general": LOSS}, {"t": SCORE}, TASK)).warnings == ()


def test_used_and_dropped_add_up_to_the_rows_of_training(noisy):
    seen = check(noisy.runs)
    rows = len(noisy.runs.training())
    stage = FLP().bind(noisy.runs.training()).stages[1]
    for i, task in enumerate(seen.tasks):
        assert task["used"] + sum(task["dropped"].values()) == rows
        assert task["used"] == stage.weight[i].sum()
        assert set(task["dropped"]) <= set(seen.reasons)
        assert task["measured"] == rows
        assert task["best"] == noisy.runs.training().score_of(task["task"]).max()
    assert set(seen.reasons) == {why for t in seen.tasks for why in t["dropped"]}


def test_every_run_has_its_row(noisy):
    seen, runs = check(noisy.runs), noisy.runs
    assert [r["run"] for r in seen.to_dicts()] == list(runs.names)
    assert [r["held_out"] for r in seen.runs] == runs.held_out.tolist()
    assert sum(r["checkpoints"] for r in seen.runs) == len(runs)
    assert [r["final_loss"] for r in seen.runs] == runs.finals().loss_of("general").tolist()
    assert [r["flops"] for r in seen.runs] == runs.finals().flops.tolist()


def test_it_is_json(noisy):
    seen = check(noisy.runs)
    parsed = json.loads(seen.to_json())
    assert parsed["summary"] == str(noisy.runs)
    assert parsed["runs"] == list(seen.runs)
    assert parsed["warnings"] == list(seen.warnings)


def test_one_ratio_of_tokens_to_parameters_is_warned_of(table):
    tokens = (17.0 * 1e7 * 2.0 ** np.arange(RUNS)[:, None] * np.arange(1, STEPS + 1) / STEPS).ravel()
    runs = table({"general": LOSS}, {"t": SCORE}, TASK, tokens=tokens)
    (warning,) = about(runs, "tokens per parameter")
    assert warning.startswith("every run has about 17 tokens per parameter: laws in N and D can't tell the two apart")


def test_few_runs_are_warned_of(table):
    few = table({"general": LOSS[:4]}, {"t": SCORE[:4]}, TASK)
    assert about(few, "finished runs") == [
        "4 finished runs only: intervals of so few hold less than they say; train 5 at least"
    ]
    assert about(table({"general": LOSS[:5]}, {"t": SCORE[:5]}, TASK), "finished runs") == []


def test_held_out_runs_do_not_make_a_ladder_longer(table):
    runs = table({"general": LOSS}, {"t": SCORE}, TASK).hold_out(["r3", "r4", "r5", "r6"])
    assert about(runs, "3 finished runs only")


def test_an_unknown_chance_level_is_warned_of(table):
    runs = table({"general": LOSS}, {"odd": SCORE})
    assert about(runs, "chance level") == [
        "the chance level of task 'odd' is unknown and taken as 0: give it under [tasks.odd] in a mapping file"
    ]


def test_a_task_that_never_emerged_is_warned_of(table):
    mute = np.full(LOSS.shape, 0.26)
    seen = check(table({"general": LOSS}, {"t": SCORE, "mute": mute}, (*TASK, Task("mute", chance=0.25))))
    assert [w for w in seen.warnings if "emerged" in w] == [
        "task 'mute' has no emerged checkpoint (best 0.26, chance 0.25): FLP will not forecast it; train a larger rung "
        "or choose an easier metric"
    ]
    assert [t["emerged"] for t in seen.tasks] == [int((SCORE >= 0.3).sum()), 0]


def test_an_unfinished_run_is_warned_of(table):
    final = np.zeros((RUNS, STEPS), bool)
    final[:-1, -1] = True
    seen = check(table({"general": LOSS}, {"t": SCORE}, TASK, final=final))
    (warning,) = (w for w in seen.warnings if "final checkpoint" in w)
    assert warning == "no final checkpoint, and no part in the fit of compute → loss: r6"
    assert [r["finished"] for r in seen.runs] == [True] * 6 + [False]
    assert seen.runs[-1]["final_loss"] is None


def test_a_final_loss_that_no_smaller_run_has_is_named(table):
    loss = np.array(LOSS)
    loss[4] *= 1.2
    (warning,) = about(table({"general": loss}, {"t": SCORE}, TASK), "does not belong")
    assert warning.startswith(
        f"run 'r4' does not belong to the others: its final 'loss/general' is {loss[4, -1]:.4g}, "
    )
    small = np.array(LOSS)
    small[4] = small[3] * 1.01  # within the noise of a rerun
    assert about(table({"general": small}, {"t": SCORE}, TASK), "does not belong") == []


def test_flops_of_another_rule_are_named(table):
    runs = table({"general": LOSS}, {"t": SCORE}, TASK)
    assert about(runs, "FLOPs of") == []
    flops = np.where(runs.run == 2, 1.5, 1.0) * runs.flops
    (warning,) = about(replace(runs, flops=flops), "FLOPs of run 'r2' are 9 per parameter and token")
    assert "the others' rule says about 6" in warning


def test_another_domain_and_selection_are_counted(table):
    stuck = np.repeat(LOSS[:, :1], STEPS, axis=1)
    runs = table({"general": LOSS, "stuck": stuck}, {"t": SCORE}, TASK)
    assert "not improving" not in check(runs).tasks[0]["dropped"]
    assert check(runs, via="stuck").tasks[0]["dropped"]["not improving"] == RUNS * (STEPS - 1)
    every = check(runs, selection=Selection(improving=False, above_chance=None, warmup=0.0)).tasks[0]
    assert every["used"] == RUNS * STEPS
    assert every["dropped"] == {}


def test_an_unknown_domain_is_refused(noisy):
    with pytest.raises(InputError, match=r"there is no loss domain 'cod'\. Did you mean 'code'\?"):
        check(noisy.runs, via="cod")


def test_its_domain_is_the_one_that_flp_takes(table):
    runs = table({"t": LOSS - 1.0, "general": LOSS}, {"t": SCORE}, TASK)
    assert FLP().bind(runs).model.domains == ("general",)
    assert [r["final_loss"] for r in check(runs).runs] == LOSS[:, -1].tolist()


def test_a_ladder_of_scores_alone_blames_no_training_loss(table):
    seen = check(table({}, {"t": SCORE}, TASK))
    assert "not improving" not in seen.tasks[0]["dropped"]
    assert [r["final_loss"] for r in seen.runs] == [None] * RUNS


def test_what_was_not_measured_has_not_emerged(table):
    gaps = np.array(SCORE)
    gaps[0] = np.nan
    (task,) = check(table({"general": LOSS}, {"t": gaps}, (Task("t"),)), selection=Selection(above_chance=None)).tasks
    assert task["emerged"] <= task["measured"] == (RUNS - 1) * STEPS


def test_a_ladder_whose_finished_runs_are_all_held_out_is_no_crash(table):
    final = np.zeros((RUNS, STEPS), bool)
    final[-1, -1] = True
    runs = table({"general": LOSS}, {"t": SCORE}, TASK, final=final).hold_out(["r6"])
    assert about(runs, "no run that is not held out has a final value: there is nothing to fit on")
    assert about(runs.hold_out("*"), "all runs are held out: there is nothing to fit on")


def rows(params):
    return [
        {"run": f"r{i}", "params": n, "tokens": 20 * n, "flops": 120 * n**2, "checkpoints": 2, "final_loss": 9 - i / 97,
         "finished": i % 5 != 0, "held_out": i % 7 == 0}
        for i, n in enumerate(params)
    ]  # fmt: skip


@pytest.mark.parametrize("runs", [1, 13, 97, 1009])
def test_any_number_of_runs_is_a_dozen_lines_that_add_up(runs):
    table = rows(list(np.geomspace(1e6, 7e11, runs)))
    sizes = by_size(table)
    assert len(sizes) <= MOST_SIZES
    assert sum(s["runs"] for s in sizes) == runs
    assert sum(s["checkpoints"] for s in sizes) == 2 * runs
    assert sum(s["held_out"] for s in sizes) == sum(r["held_out"] for r in table)
    assert sum(s["unfinished"] for s in sizes) == sum(not r["finished"] for r in table)
    assert sizes[0]["params"][0] == 1e6
    assert sizes[-1]["final_loss"][0] == table[-1]["final_loss"]
    for a, b in itertools.pairwise(sizes):
        assert a["params"][1] < b["params"][0]


def test_runs_of_one_size_are_one_line():
    sizes = by_size(rows([1.28e9, 1.281e9, 1.9e8] * 31))
    assert [s["runs"] for s in sizes] == [31, 62]
    assert by_size([{**r, "final_loss": None} for r in rows([1e9])])[0]["final_loss"] is None


def test_a_hundred_runs_are_shown_by_size_and_all_of_them_on_demand(table):
    few = np.linspace(4.0, 2.0, 13)[:, None]
    seen = check(table({"general": few}, {}))
    runs = [shown.rows for shown in show_check(seen) if hasattr(shown, "rows")]
    assert len(runs[0]) <= MOST_SIZES
    assert "--all" in show_check(seen)[-1].text
    assert [row[0] for row in show_check(seen, everything=True)[0].rows] == [
        seen.to_dicts()[i]["run"] for i in range(13)
    ]
    assert seen.to_dict()["sizes"] == seen.sizes()


def test_many_tasks_are_a_short_table(table):
    loss = np.linspace(4.0, 2.0, 5)[:, None]
    scores = {f"t{i}": 0.9 - 0.1 * loss * (1 + 0.001 * i) for i in range(40)} | {f"mute{i}": 0 * loss for i in range(7)}
    seen = check(table({"general": loss}, scores))
    (tasks,) = (s for s in show_check(seen) if hasattr(s, "rows") and "tasks" in s.title.lower())
    assert tasks.title.startswith("47 tasks (scores in %), 40 of them with checkpoints")
    assert len(tasks.rows) == 12
    (whole,) = (s for s in show_check(seen, everything=True) if hasattr(s, "rows") and "tasks" in s.title.lower())
    assert len(whole.rows) == 47
    (warning,) = (w for w in seen.warnings if "no emerged checkpoint" in w)
    assert warning.startswith("7 of 47 tasks have no emerged checkpoint")
    assert all(f"mute{i} (0; 0)" in warning for i in range(7))
