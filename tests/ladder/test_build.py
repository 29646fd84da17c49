"""The door into a table: what it fills in, and every refusal with its message."""

import re

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.ladder.build import Place, build_runs, is_canonical, misspelt
from flpjax.ladder.tasks import Task

NAN = np.nan


def columns(**changes):
    """Two runs of two checkpoints, in a shuffled order; a change of None drops a column, ``__`` stands for ``/``."""
    base = {
        "run": np.array(["b", "a", "b", "a"], object),
        "params": np.array([5.0, 2.0, 5.0, 2.0]),
        "tokens": np.array([7.0, 3.0, 11.0, 13.0]),
        "loss/general": np.array([3.0, 4.0, 2.5, NAN]),
        "score/race": np.array([0.25, 0.26, 0.3, 0.31]),
    }
    for name, value in changes.items():
        base[name.replace("__", "/")] = value if value is None else np.asarray(value)
    return {k: v for k, v in base.items() if v is not None}


def some(n=4, **at):
    """``n`` values 0.5, but ``i3=…`` sets the one at index 3."""
    values = np.full(n, 0.5)
    for i, v in at.items():
        values[int(i[1:])] = v
    return values


REFUSALS = {
    "no run": ({"run": None}, "table: column 'run' is missing. Rename it, or name it in a mapping file"),
    "nearest": (
        {"tokens": None, "token": [1.0] * 4},
        "column 'tokens' is missing. Did you mean 'token'? Rename it, or name it in a mapping file",
    ),
    "no params": ({"params": None}, "column 'params' is missing"),
    "nothing measured": (
        {"loss__general": None, "score__race": None},
        "there is no column 'loss/<domain>' and none 'score/<task>'. Name the losses and scores so",
    ),
    "no rows": (
        {k.replace("/", "__"): np.array([]) for k in columns()},
        "the table has no rows. Give at least one checkpoint a run",
    ),
    "length": ({"tokens": [1.0, 2.0]}, "table, column 'tokens': there are 2 values for 4 rows. Give one a row"),
    "matrix": ({"loss__general": np.ones((4, 2))}, "column 'loss/general': there are 4×2 values for 4 rows"),
    "half a shape": (
        {"params": None, "layers": [2.0] * 4},
        "column 'params' is missing",
    ),
    "gigaflops": (
        {"params": [1e9] * 4, "tokens": [1e9, 2e9, 1e9, 2e9], "flops": [6e9, 12e9, 6e9, 12e9]},
        "row 1, column 'flops': 6e+09 FLOPs are 6e-09 per parameter and token, where about 6 are expected. "
        "Declare the unit",
    ),
    "flops fall": (
        {"params": [1e9] * 4, "run": ["a"] * 4, "tokens": [1e9, 2e9, 3e9, 4e9], "flops": [6e18, 12e18, 11e18, 24e18]},
        "row 3, column 'flops': run 'a' has 1.1e+19 FLOPs here and 1.2e+19 at fewer tokens",
    ),
    "bad shape": (
        {"layers": [2.0, 0.0, 2.0, 2.0], "width": [2.0] * 4, "context": [8.0] * 4},
        "table, row 2, column 'layers': got 0, but it must be a positive number",
    ),
    "tokens": (
        {"tokens": [7.0, -3.0, 11.0, 0.0]},
        "table, row 2, column 'tokens': got -3, but it must be a positive number (and 1 more row like it)",
    ),
    "tokens absent": (
        {"tokens": some(i2=NAN)},
        "row 3, column 'tokens': there is no value, but it must be a positive",
    ),
    "params": ({"params": some(i3=np.inf)}, "row 4, column 'params': got inf, but it must be a positive number"),
    "next to no params": (
        {"params": some(i1=1e-320)},
        "row 2, column 'params': got 9.99989e-321, but it must lie between",
    ),
    "tokens beyond all": ({"tokens": some(i2=1e300)}, "row 3, column 'tokens': got 1e+300, but it must lie between"),
    "flops": ({"flops": some(i0=NAN)}, "row 1, column 'flops': there is no value, but it must be a positive number"),
    "stderr alone": (
        {"stderr__mmlu": [0.1] * 4},
        "column 'stderr/mmlu': there is a standard error but no column 'score/mmlu'. Add the scores, or leave it out",
    ),
    "no name": ({"run": np.array(["b", "a", " ", "a"], object)}, "row 3, column 'run': the run has no name. Every"),
    "None name": ({"run": np.array(["b", None, "b", "a"], object)}, "row 2, column 'run': the run has no name"),
    "NaN name": ({"run": np.array(["b", "a", "b", NAN], object)}, "row 4, column 'run': the run has no name"),
    "loss": ({"loss__general": some(i1=0.0)}, "row 2, column 'loss/general': got 0, but it must be a positive number"),
    "infinite loss": ({"loss__general": some(i1=np.inf)}, "row 2, column 'loss/general': got inf, but it must be"),
    "train_loss": ({"train_loss": some(i1=-1.0)}, "row 2, column 'train_loss': got -1, but it must be a positive"),
    "score": (
        {"score__race": some(i0=-0.1)},
        "row 1, column 'score/race': got -0.1, but it must be a fraction from 0 to 1. If chance was taken off, declare "
        'scale = "centred" and chance = … under [tasks.race] in a mapping file; else correct the row',
    ),
    "points": (
        {"score__race": [25.0, 26.0, 30.0, 31.0]},
        "row 1, column 'score/race': got 25, but it must be a fraction from 0 to 1 (and 3 more rows like it). "
        'Looks like points: declare scale = "points" under [tasks.race] in a mapping file',
    ),
    "stderr": ({"stderr__race": some(i2=1.5)}, "row 3, column 'stderr/race': got 1.5, but it must be a fraction"),
    "mix": ({"mix__web": some(i2=-0.5)}, "row 3, column 'mix/web': got -0.5, but it must be a fraction from 0 to 1"),
    "mix absent": (
        {"mix__web": some(i2=NAN)},
        "row 3, column 'mix/web': there is no value, but it must be a fraction",
    ),
    "mix sum": (
        {"mix__web": some(), "mix__code": some(i0=0.25)},
        "row 1, column 'mix/web': the mixture weights sum to 0.75, not to 1. Correct the weights of web, code in",
    ),
    "step": ({"step": some(i3=-2.0)}, "row 4, column 'step': got -2, but it must not be negative"),
    "twice": (
        {"tokens": [7.0, 3.0, 7.0, 13.0]},
        "table, row 1, column 'tokens' and row 3, column 'tokens': run 'b' has two checkpoints at 7 tokens. "
        "Keep one of them, or give a rerun a name of its own",
    ),
    "two sizes": (
        {"params": [5.0, 2.0, 5.0, 3.0]},
        "row 4, column 'params': run 'a' changes its size from 2 to 3 parameters. Give each model a run name of its",
    ),
    "swapped": (
        {"params": [7.0, 3.0, 13.0, 3.5], "tokens": [5.0, 2.0, 5.0, 2.0]},
        "row 3, column 'params': run 'b' changes its size from 7 to 13 parameters. Are params and tokens swapped? If",
    ),
    "two finals": (
        {"final": [True, True, False, True]},
        "row 4, column 'final': run 'a' has more than one final checkpoint. Mark its last, converged checkpoint only",
    ),
    "no final": (
        {"final": [False] * 4},
        "table, column 'final': no row is marked final. Mark each run's last, converged checkpoint, or leave the",
    ),
    "half held out": (
        {"held_out": [True, False, False, False]},
        "row 3, column 'held_out': run 'b' is held out in some rows only. Mark all rows of a run, or none",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case):
    changes, message = REFUSALS[case]
    with pytest.raises(InputError, match=re.escape(message)):
        build_runs(columns(**changes))


@pytest.mark.parametrize("count", [0, -2])
def test_refuses_to_average_nothing(count):
    with pytest.raises(InputError, match=f"final_average is {count}. Give at least 1"):
        build_runs(columns(), final_average=count)


def test_refusals_name_the_files_own_rows():
    place = Place("ladder.csv", row=[4, 9, 2, 6], lines=True)
    with pytest.raises(InputError, match=re.escape("ladder.csv, row 9 (line 10), column 'tokens': got -3")):
        build_runs(columns(tokens=[7.0, -3.0, 11.0, 13.0]), place=place)


def test_sorts_by_run_as_met_and_by_tokens():
    runs = build_runs(columns(stderr__race=[0.1, 0.2, 0.3, 0.4], step=[70, 30, 110, 130]))
    assert runs.names == ("b", "a")
    np.testing.assert_array_equal(runs.run, [0, 0, 1, 1])
    np.testing.assert_array_equal(runs.tokens, [7, 11, 3, 13])
    np.testing.assert_array_equal(runs.loss_of("general"), [3.0, 2.5, 4.0, NAN])
    np.testing.assert_array_equal(runs.stderr[:, 0], [0.1, 0.3, 0.2, 0.4])
    np.testing.assert_array_equal(runs.step, [70, 110, 30, 130])
    np.testing.assert_array_equal(runs.train_loss, [NAN] * 4)
    np.testing.assert_array_equal(runs.final, [False, True, False, True])
    np.testing.assert_array_equal(runs.held_out, [False, False])


def test_fills_in_compute():
    runs = build_runs(columns())
    np.testing.assert_array_equal(runs.flops, 6 * runs.params * runs.tokens)
    assert runs.notes == ("FLOPs computed as 6·N·D",)

    shape = {"layers": [2.0] * 4, "width": [3.0] * 4, "ffn": [5.0] * 4, "context": [7.0] * 4}
    runs = build_runs(columns(params=None, **shape), notes=["read"])
    n = 2 * (4 * 9 + 3 * 15)
    np.testing.assert_array_equal(runs.params, n)
    np.testing.assert_array_equal(runs.flops, runs.tokens * (6 * n + 6 * 2 * 3 * 7))
    assert runs.notes[0] == "read"
    assert len(runs.notes) == 3

    given = 7.0 * build_runs(columns()).flops
    table = columns(layers=[2.0] * 4)
    runs = build_runs({**table, "flops": 7.0 * table["params"] * table["tokens"]})
    np.testing.assert_allclose(runs.flops, given / 6.0)
    assert runs.notes == ()

    lone = build_runs(columns(context=[7.0] * 4))  # a stray column of metadata is no obstacle
    np.testing.assert_array_equal(lone.flops, 6 * lone.params * lone.tokens)


def test_columns_without_a_value_are_left_out():
    blank = np.full(4, NAN)
    runs = build_runs(columns(score__mine=blank, stderr__mine=blank, loss__other=blank))
    assert "mine" not in runs.task_names
    assert "other" not in runs.domains
    assert "column 'loss/other' has no value in any row and is left out" in runs.notes
    assert "column 'score/mine' has no value in any row and is left out" in runs.notes


def test_mixture_weights_are_scaled_to_one():
    runs = build_runs(columns(mix__web=[0.7] * 4, mix__code=[0.296] * 4))
    assert runs.sources == ("web", "code")
    np.testing.assert_allclose(runs.mix.sum(1), 1.0, rtol=1e-15)


def test_task_facts_come_from_the_caller_first():
    given = Task("race", chance=0.5, questions=11)
    runs = build_runs(columns(score__mine=some(), score__piqa=some()), tasks={"race": given})
    race, mine, piqa = runs.tasks
    assert race is given
    assert (mine.chance, mine.chance_known) == (0.0, False)
    assert (piqa.chance, piqa.chance_known) == (0.5, True)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"chance": 1.0}, "task 't': the chance level 1 is no fraction. Give it from 0 up to 1"),
        ({"chance": NAN}, "the chance level nan is no fraction"),
        ({"questions": 0}, "task 't': 0 questions. Give at least 1"),
    ],
)
def test_task_refusals(facts, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Task("t", **facts)


def test_names():
    assert is_canonical("loss/general")
    assert not is_canonical("loss/")
    assert not is_canonical("losses/general")
    assert misspelt("losses/general") == "loss/general"
    assert misspelt("trian_loss") == "train_loss"
    assert misspelt("wombat/general") is None
    assert misspelt("learning_rate") is None
