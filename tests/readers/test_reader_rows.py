"""What rows are, columns called loss alone, what Weights & Biases adds: nothing is merged or ignored in silence."""

import numpy as np
import polars as pl
import pytest

from flpjax.errors import InputError
from flpjax.readers.read import read_runs
from flpjax.results.check import check

BUDGETS = 1e18 * 2.15 ** np.arange(5)
DEPTHS = (6, 8, 10, 12, 16, 20)
AS_DEPTH = {"columns": {"run": "depth"}}


def isoflop():
    """30 trainings, five budgets of six depths each: no row is a checkpoint of another."""
    rows = []
    for depth in DEPTHS:
        n = 12 * depth * (64.0 * depth) ** 2
        for c in BUDGETS:
            d = c / (6 * n)
            rows.append(
                {"depth": f"d{depth}", "params": n, "tokens": d, "loss/val": 1.7 + 400 / n**0.34 + 400 / d**0.28}
            )
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "runs of different sizes stand at the same few FLOPs, as in an isoFLOP profile"),
        ({"flops_budget": np.tile(BUDGETS, 6)}, "'flops_budget' is not the same in all rows of run 'd6'"),
        ({"seed": np.arange(30) % 7}, "'seed' is not the same in all rows of run 'd6'"),
        ({"loss/val": 3.0 + 0.1 * (np.arange(30) % 2), "params": 1e7, "tokens": np.tile(1e9 * np.arange(5, 10), 6)},
         "the loss rises by more than 1% in 12 of 24 steps"),
    ],
)  # fmt: skip
def test_trainings_that_one_label_merges_are_warned_of(more, why):
    runs = read_runs(
        isoflop().with_columns(**{k: pl.lit(v) if np.isscalar(v) else pl.Series(v) for k, v in more.items()}), AS_DEPTH
    )
    assert len(runs.names) == 6
    (warning,) = (w for w in check(runs).warnings if "checkpoints" in w)
    assert warning.startswith("30 rows are read as checkpoints of 6 runs, but ")
    assert why in warning
    assert 'write rows = "runs"' in warning


def test_one_row_a_run_when_the_mapping_says_so():
    runs = read_runs(isoflop(), AS_DEPTH | {"table": {"rows": "runs"}})
    assert runs.names[:6] == ("d6 #1", "d6 #2", "d6 #3", "d6 #4", "d6 #5", "d8 #1")
    assert len(runs.finals()) == 30
    assert not [w for w in check(runs).warnings if "read as" in w]


def test_checkpoints_when_the_mapping_says_so():
    runs = read_runs(isoflop(), AS_DEPTH | {"table": {"rows": "checkpoints"}})
    assert (len(runs.names), runs.doubts) == (6, ())


def test_names_stay_where_they_are_alone_and_never_clash():
    frame = {"run": ["a", "a", "a #1", "b"], "params": [1, 2, 3, 4], "tokens": [1, 1, 1, 1], "loss/x": [4, 3, 2, 1]}
    runs = read_runs(pl.DataFrame(frame), {"table": {"rows": "runs"}})
    assert runs.names == ("a #2", "a #3", "a #1", "b")


def test_errors_of_merged_trainings_name_the_way_out():
    frame = {"run": ["a", "a"], "params": [1, 2], "tokens": [1, 2], "loss/x": [4, 3]}
    with pytest.raises(InputError, match=r'changes its size.*write rows = "runs" under .table. in a mapping file'):
        read_runs(pl.DataFrame(frame))
    with pytest.raises(InputError, match=r'two checkpoints at 1 tokens.*write rows = "runs"'):
        read_runs(pl.DataFrame(frame | {"params": [1, 1], "tokens": [1, 1]}))


def test_a_table_needs_no_column_run():
    runs = read_runs(isoflop().drop("depth"))
    assert len(runs.names) == 30
    assert runs.names[6] == "row 7"
    assert any(n.startswith("there is no column 'run': each of the 30 rows is a run of its own") for n in runs.notes)
    with pytest.raises(InputError, match=r"column 'run' is missing.*Did you mean 'run_id'"):
        read_runs(isoflop().rename({"depth": "run_id"}))


def test_checkpoints_of_curves_are_no_doubt():
    tokens = np.concatenate([20e6 * 2.0**i * np.arange(1, 9) / 8 for i in range(4)])  # on a grid of powers of two
    params = np.repeat(1e6 * 2.0 ** np.arange(4), 8)
    frame = {
        "run": np.repeat(list("abcd"), 8),
        "params": params,
        "tokens": tokens,
        "loss/x": 9 * (params * tokens) ** -0.05,
    }
    runs = read_runs(pl.DataFrame(frame | {"lr": np.linspace(1, 0, 32), "batch_size": np.arange(32)}))
    assert runs.doubts == ()
    assert not any("read as" in n for n in runs.notes)


def csv(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "loss",
        "val_loss",
        "eval_loss",
        "validation_loss",
        "Val Loss",
        "val/loss",
        "eval/loss",
        "test_loss",
        "loss_validation",
        "final_loss",
    ],
)
def test_a_column_called_loss_is_the_loss(name, tmp_path):
    runs = read_runs(csv(tmp_path, f"run,params,tokens,{name},score/t\na,1e7,1e9,3.5,.3\nb,2e7,2e9,3.1,.4\n"))
    assert runs.domains == ("validation",)
    assert runs.loss[:, 0].tolist() == [3.5, 3.1]
    assert any(n.startswith(f"column '{name}' is read as the validation loss 'loss/validation'") for n in runs.notes)


def test_a_named_loss_comes_before_a_bare_one(tmp_path):
    path = csv(tmp_path, "run,params,tokens,loss,loss/c4\na,1e7,1e9,9,3.5\n")
    assert read_runs(path).domains == ("c4",)
    assert "ignored 1 column: loss" in read_runs(path).notes
    path = csv(tmp_path, "run,params,tokens,loss,score/t\na,1e7,1e9,9,.5\n")
    assert read_runs(path, {"table": {"ignore": ["loss"]}}).domains == ()
    mapped = read_runs(path, {"columns": {"loss/c4": "loss"}})
    assert mapped.domains == ("c4",)


def test_two_losses_without_a_domain_are_one_clear_error(tmp_path):
    path = csv(tmp_path, "run,params,tokens,loss,val_loss\na,1e7,1e9,4,3.5\n")
    with pytest.raises(
        InputError, match=r"columns 'loss' and 'val_loss' may each be the loss\. Rename the validation"
    ) as e:
        read_runs(path)
    assert "\"loss/validation\" = 'val_loss'" in str(e.value)
    assert read_runs(path, {"columns": {"loss/validation": "val_loss"}}).loss[0, 0] == 3.5
    assert read_runs(path, {"table": {"ignore": ["loss"]}}).loss[0, 0] == 3.5


def test_what_weights_and_biases_adds_stops_nothing(tmp_path):
    head = "_step,_runtime,_timestamp,n_layers,run,params,tokens,loss/c4"
    runs = read_runs(csv(tmp_path, f"{head}\n7,3.5,1e9,4,a,1e7,1e9,3.5\n9,4.5,1e9,4,a,1e7,2e9,3.1\n"))
    assert runs.step.tolist() == [7.0, 9.0]
    assert "column '_step' is read as the step" in runs.notes
    both = read_runs(csv(tmp_path, f"step,{head}\n1,7,3.5,1e9,4,a,1e7,1e9,3.5\n"))
    assert both.step.tolist() == [1.0]


LOGGED = """run,params,tokens,train_loss,loss/c4,score/t
a,1e7,1.8e8,3.9,,
a,1e7,1.9e8,,3.7,
a,1e7,1.95e8,,,.4
a,1e7,2e8,3.6,,
b,2e7,3.8e8,,3.4,
b,2e7,4e8,3.3,,
"""


def test_losses_may_be_blank_in_rows_of_a_run_that_has_them(tmp_path):
    runs = read_runs(csv(tmp_path, LOGGED))
    finals = runs.finals()
    assert finals.loss_of("c4").tolist() == [3.7, 3.4]
    np.testing.assert_array_equal(finals.score_of("t"), [0.4, np.nan])
    assert finals.train_loss.tolist() == [3.6, 3.3]


def test_a_run_without_any_loss_is_refused_unless_it_is_yet_to_come(tmp_path):
    path = csv(tmp_path, LOGGED + "c,4e7,8e8,3.1,,\n")
    with pytest.raises(
        InputError, match=r"row 7 .*'loss/c4': the loss is blank, and run 'c' has it in no other row"
    ) as e:
        read_runs(path)
    assert 'allow_missing = ["loss/c4"]' in str(e.value)
    assert len(read_runs(path, {"table": {"allow_missing": True}}).names) == 3
    held = LOGGED.replace("\n", ",\n").replace("score/t,", "score/t,held_out") + "c,4e7,8e8,,,,true\n"
    assert read_runs(csv(tmp_path, held)).targets().names == ("c",)
    with pytest.raises(InputError, match="'nan' is not a number"):
        read_runs(csv(tmp_path, LOGGED + "b,2e7,4.1e8,,nan,\n"))


def test_the_distance_of_final_values_is_the_mappings(tmp_path):
    path = csv(tmp_path, LOGGED)
    assert read_runs(path, {"table": {"final_within": 0.01}}).finals().names == ()
    assert read_runs(path, {"table": {"final_within": 1}}).final_within == 1.0
    with pytest.raises(InputError, match=r"table\.final_within"):
        read_runs(path, {"table": {"final_within": 1.5}})
