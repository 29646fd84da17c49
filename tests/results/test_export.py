"""A table saved and read again is the same table, to the last bit."""

from dataclasses import fields, replace

import numpy as np
import pytest

from flpjax.ladder.build import build_runs
from flpjax.ladder.export import columns_of, csv_of
from flpjax.ladder.table import Runs
from flpjax.readers.read import read_runs

OTHERWISE = ("source", "notes", "tasks")  # where it came from, and facts that a mapping file holds


def reread(runs, folder):
    path = folder / "runs.csv"
    path.write_text(csv_of(runs), encoding="utf-8")
    return read_runs(path)


def same(a, b):
    for field in fields(Runs):
        if field.name not in OTHERWISE:
            x, y = getattr(a, field.name), getattr(b, field.name)
            assert np.shape(x) == np.shape(y), field.name
            np.testing.assert_array_equal(x, y, err_msg=field.name)
            assert np.asarray(x).dtype == np.asarray(y).dtype
    assert a.task_names == b.task_names


def test_a_simulated_ladder_comes_back(noisy, tmp_path):
    again = reread(noisy.runs, tmp_path)
    same(again, noisy.runs)
    assert [t.chance for t in again.tasks] == [t.chance for t in noisy.runs.tasks]
    assert again.notes == ()


@pytest.mark.parametrize("seed", range(3))
def test_every_digit_and_every_gap_comes_back(seed, tmp_path):
    rng = np.random.default_rng(seed)
    n_runs, steps = 5, 7
    rows = n_runs * steps

    def gaps(values):
        return np.where(rng.random(rows) < 0.3, np.nan, values)

    mix = rng.random((n_runs, 3)).repeat(steps, axis=0)  # one mixture a run
    mix /= mix.sum(1, keepdims=True)
    final = np.tile(np.arange(steps) == steps - 1, n_runs)
    final[-1] = False  # an unfinished run
    names = ["plain", 'quo"ted', "com, ma", "two  spaces", "ünïcode 7B"]
    params = np.repeat(10.0 ** rng.uniform(6, 11, n_runs), steps)
    tokens = np.sort(10.0 ** rng.uniform(8, 13, (n_runs, steps)), axis=1).ravel()
    runs = build_runs(
        {
            "run": np.repeat(np.array(names, object), steps),
            "params": params,
            "tokens": tokens,
            "flops": params * tokens * 6.3,
            "final": final,
            "held_out": np.repeat([False, True, False, False, False], steps),
            "step": gaps(np.floor(rng.uniform(0, 1e6, rows))),
            "train_loss": gaps(rng.uniform(1, 9, rows)),
            "loss/one": rng.uniform(1, 9, rows),
            "loss/two words": rng.uniform(1, 9, rows) / 3,
            "score/race": gaps(rng.random(rows)),
            "stderr/race": gaps(rng.random(rows) / 7),
            **{f"mix/{s}": mix[:, i] for i, s in enumerate(("web", "code", "books"))},
        }
    )
    once = reread(runs, tmp_path)
    same(replace(once, mix=runs.mix), runs)
    np.testing.assert_allclose(once.mix, runs.mix, rtol=1e-15)  # weights are scaled to sum to 1 at every reading
    assert csv_of(replace(once, mix=runs.mix)) == csv_of(runs)


def test_columns_in_which_nothing_was_measured_are_left_out(noisy):
    columns = columns_of(noisy.runs)
    assert "step" not in columns
    assert not any(name.startswith("mix/") for name in columns)
    assert list(columns)[:6] == ["run", "params", "tokens", "flops", "final", "held_out"]
    assert all(len(v) == len(noisy.runs) for v in columns.values())
