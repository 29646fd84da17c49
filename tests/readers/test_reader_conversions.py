"""What a mapping says of units, scales, products, states and text files."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flpjax.errors import InputError
from flpjax.readers.read import read_runs

STEPS = {"run": ["a", "a", "a", "b", "b"], "_step": [0, 10, 20, 10, 30], "batch": [4, 4, 4, 8, 8], "N": [7, 7, 7, 9, 9]}


def test_tokens_are_steps_times_batch_times_context_and_step_zero_is_left_out() -> None:
    frame = pl.DataFrame(STEPS | {"ppl": [50.0, 20.0, math.e**2, 21.0, math.e]})
    mapping = {
        "columns": {
            "tokens": {"product": ["_step", "batch", 2048]},
            "params": {"column": "N", "unit": "M"},
            "loss/wiki": {"column": "ppl", "unit": "perplexity"},
        }
    }
    runs = read_runs(frame, mapping)
    assert runs.tokens.tolist() == [10 * 4 * 2048, 20 * 4 * 2048, 10 * 8 * 2048, 30 * 8 * 2048]
    assert runs.params.tolist() == [7e6, 7e6, 9e6, 9e6]
    np.testing.assert_allclose(runs.loss_of("wiki"), [math.log(20), 2, math.log(21), 1], rtol=1e-15)
    assert any("1 row at step 0 left out" in note for note in runs.notes)
    assert runs.shown["wiki"].name == "perplexity"
    assert runs.shown["wiki"].shown(2.0) == pytest.approx(math.e**2)


def test_rows_are_named_as_in_the_file_when_some_were_left_out() -> None:
    frame = pl.DataFrame(STEPS | {"loss/x": [9.0, 3.0, 2.0, -1.0, 2.0]})
    mapping = {"columns": {"tokens": {"product": ["_step", "batch"]}, "params": "N"}}
    with pytest.raises(InputError, match="row 4, column 'loss/x': got -1"):
        read_runs(frame, mapping)


@pytest.mark.parametrize("states", [["finished", "finished", "finished", "crashed", "crashed"]])
def test_the_last_rows_of_finished_runs_are_final(states: list[str]) -> None:
    frame = pl.DataFrame(
        STEPS | {"tokens": [1, 20, 30, 40, 50], "State": states, "loss/x": [3.0, 2.0, 1.0, 2.0, 1.5], "params": [7] * 5}
    )
    runs = read_runs(frame, {"columns": {"final": {"column": "State", "true": ["Finished"]}}})
    assert runs.final.tolist() == [False, False, True, False, False]


def test_centred_scores_may_be_negative_and_stand_on_chance() -> None:
    frame = pl.DataFrame({"run": ["a", "b"], "params": [1, 2], "tokens": [1, 2], "score/core": [-0.1, 0.5]})
    with pytest.raises(InputError, match="must be a fraction"):
        read_runs(frame)
    runs = read_runs(frame, {"tasks": {"core": {"scale": "centred", "chance": 0.2}}})
    np.testing.assert_allclose(runs.score_of("core"), [0.12, 0.6], rtol=1e-15)
    assert runs.tasks[0].shown(0.12) == pytest.approx(-0.1)


def test_separator_and_decimal_comma(tmp_path: Path) -> None:
    file = tmp_path / "ladder.csv"
    file.write_text("run;params;tokens;loss/c4\na;1e7;2e9;3,25\nb, too;2e7;4e9;2,5\n")
    with pytest.raises(InputError, match=r"holds ';'.*separator = \";\""):
        read_runs(file)
    (tabs := tmp_path / "tabs.csv").write_text("run\tparams\ttokens\tloss/c4\na\t1e7\t2e9\t3.25\n")
    with pytest.raises(InputError, match=r'holds tabs.*separator = "\\t"'):
        read_runs(tabs)
    runs = read_runs(file, {"table": {"separator": ";", "decimal": ","}})
    assert runs.names == ("a", "b, too")
    assert runs.loss_of("c4").tolist() == [3.25, 2.5]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"columns": {"tokens": {"product": [2, 3]}}}, "the product names no column"),
        ({"columns": {"tokens": {"product": ["steps"]}}}, "no column 'steps'"),
        ({"columns": {"params": {"column": "N", "true": ["x"]}}}, "only 'final' has states"),
        ({"columns": {"final": {"product": ["tokens", 2]}}}, "'final' is no product"),
        ({"columns": {"loss/x": {"product": ["tokens", 1e300, 1e300]}}}, "got inf"),
        ({"columns": {"loss/x": {"column": "loss/x", "unit": "perplexity"}}}, "got 1, but a perplexity is above 1"),
        ({"show": {"score/t": "bits"}}, "no loss"),
        ({"show": {"loss/x": "furlongs"}}, "there is no unit 'furlongs'"),
    ],
)
def test_what_a_mapping_gets_wrong(mapping: dict, message: str) -> None:
    frame = pl.DataFrame({"run": ["a", "b"], "N": [1, 2], "params": [1, 2], "tokens": [1, 2], "loss/x": [1.0, 2.0]})
    with pytest.raises(InputError, match=message):
        read_runs(frame, mapping)
