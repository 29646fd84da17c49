"""Mixtures that change within a run: refused, or accumulated over tokens, as the table says."""

import numpy as np
import pytest

from flpjax.errors import InputError, count, plural
from flpjax.ladder.build import build_runs
from flpjax.readers.read import read_runs

CODE = np.array([0.0, 0.5, 0.5, 0.2, 0.2])
TOKENS = np.array([10.0, 30.0, 40.0, 5.0, 25.0])


def staged(code=CODE, **kw):
    columns = {
        "run": np.array(["a", "a", "a", "b", "b"], object),
        "params": np.full(5, 3.0),
        "tokens": TOKENS,
        "loss/c4": np.linspace(4, 3, 5),
        "mix/web": 1.0 - code,
        "mix/code": code,
    }
    return build_runs(columns, **kw)


def test_a_mixture_that_changes_is_refused_with_the_row_and_what_to_write():
    with pytest.raises(
        InputError, match=r"row 2, column 'mix/web': run 'a' changes its mixture: web is 0.5 here"
    ) as caught:
        staged()
    assert 'mixture = "current"' in str(caught.value)
    assert 'mixture = "so far"' in str(caught.value)


def test_a_slow_drift_is_a_change_and_rounding_is_none():
    drift = np.array([0.2, 0.2007, 0.2014, 0.5, 0.5])
    with pytest.raises(InputError, match="row 3, column 'mix/web'"):
        staged(drift)
    assert staged(np.array([0.2, 0.2004, 0.2, 0.5, 0.5])).mix[1, 1] == pytest.approx(0.2004)


def test_current_weights_are_accumulated_over_the_tokens_of_each_run():
    runs = staged(mixture_is="current")
    np.testing.assert_allclose(runs.mix[:, 1], [0.0, 20 * 0.5 / 30, 30 * 0.5 / 40, 0.2, 0.2], rtol=1e-14)
    np.testing.assert_allclose(runs.mix.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(runs.finals().mix[:, 1], [0.375, 0.2])
    assert any("accumulated" in note for note in runs.notes)


def test_weights_so_far_stand_as_they_are():
    runs = staged(mixture_is="so far")
    np.testing.assert_array_equal(runs.mix[:, 1], CODE)


def test_a_mapping_says_which(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("run,params,tokens,loss/x,mix/web,mix/code\na,1e7,1e9,4,1,0\na,1e7,2e9,3,.6,.4\n")
    with pytest.raises(InputError, match=r"row 2 \(line 3\), column 'mix/web'"):
        read_runs(path)
    assert read_runs(path, {"table": {"mixture": "current"}}).mix[1].tolist() == [0.8, 0.2]
    with pytest.raises(InputError, match=r"table\.mixture"):
        read_runs(path, {"table": {"mixture": "latest"}})


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (3, "loss", "3 losses"),
        (1, "loss", "1 loss"),
        (2, "match", "2 matches"),
        (0, "query", "0 queries"),
        (9, "day", "9 days"),
    ],
)
def test_plurals(number, noun, text):
    assert count(number, noun) == text
    assert plural(noun) == text.split()[1] or number == 1
