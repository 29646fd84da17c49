"""Many runs by their size: they add up, and there are few lines."""

import itertools

import numpy as np
import pytest

from flpjax.cli.show_check import show_check
from flpjax.results.check import check
from flpjax.results.sizes import MOST_SIZES, by_size


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
    assert [row[0] for row in show_check(seen, everything=True)[0].rows] == [seen.table()[i]["run"] for i in range(13)]
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
