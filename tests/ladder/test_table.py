"""Views of a table of runs."""

import re

import numpy as np
import pytest

from flpjax.errors import InputError
from flpjax.ladder.build import build_runs

TOKENS = {"a-small": (10, 20, 30), "b-mid": (10, 40), "b-big": (50, 70, 90, 110, 130)}
PARAMS = {"a-small": 2, "b-mid": 3, "b-big": 5}


def make(**kw):
    """Three runs of 3, 2 and 5 checkpoints; b-mid is unfinished. Loss is 5 − tokens/100, score tokens/1000."""
    run = [r for r, ts in TOKENS.items() for _ in ts]
    tokens = np.array([t for ts in TOKENS.values() for t in ts], float)
    columns = {
        "run": np.array(run, object),
        "params": np.array([PARAMS[r] for r in run], float),
        "tokens": tokens,
        "loss/general": 5 - tokens / 100,
        "loss/code": 3 - tokens / 100,
        "score/race": tokens / 1000,
        "final": (tokens == 30) | (tokens == 130),
        "held_out": np.array([r == "b-big" for r in run]),
    }
    return build_runs(columns | kw.pop("columns", {}), **kw)


def test_rows_drops_empty_runs_and_renumbers():
    table = make()
    view = table.rows(table.tokens >= 30)
    assert view.names == ("a-small", "b-mid", "b-big")
    np.testing.assert_array_equal(view.tokens, [30, 40, 50, 70, 90, 110, 130])
    view = table.rows(table.tokens >= 50)
    assert view.names == ("b-big",)
    np.testing.assert_array_equal(view.run, 0)
    np.testing.assert_array_equal(view.held_out, [True])
    assert view.loss.shape == (5, 2)
    np.testing.assert_array_equal(view.loss_of("code"), 3 - view.tokens / 100)


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["a-small"], ("a-small",)),
        ("b-*", ("b-mid", "b-big")),
        (["b-big", "a-*"], ("a-small", "b-big")),
        (["b-m??"], ("b-mid",)),
    ],
)
def test_only_and_without_are_complements(names, kept):
    table = make()
    assert table.only(names).names == kept
    assert set(table.without(names).names) == set(table.names) - set(kept)
    assert len(table.only(names)) + len(table.without(names)) == len(table)


def test_names_match_literally_before_as_patterns():
    table = make(columns={"run": np.array(["x[1]"] * 3 + ["x1"] * 2 + ["y"] * 5, object)})
    assert table.only(["x[1]"]).names == ("x[1]", "x1")


@pytest.mark.parametrize("view", ["only", "without", "hold_out"])
def test_unknown_run_names_the_nearest(view):
    with pytest.raises(InputError, match=re.escape("table: no run is named 'b-bigg'. Did you mean 'b-big'?")):
        getattr(make(), view)(["b-bigg"])


def test_hold_out_replaces_what_was_held_out():
    table = make()
    assert table.targets().names == ("b-big",)
    assert table.training().names == ("a-small", "b-mid")
    other = table.hold_out(["a-*"])
    assert other.targets().names == ("a-small",)
    assert other.training().names == ("b-mid", "b-big")
    assert table.targets().names == ("b-big",)
    assert not table.hold_out([]).held_out.any()


def test_largest():
    table = make()
    assert table.largest(0) == ()
    assert table.largest(2) == ("b-mid", "b-big")
    assert table.largest(3) == table.names


@pytest.mark.parametrize("count", [-1, 4, 5])
def test_largest_of_too_few(count):
    with pytest.raises(InputError, match=f"asked for the {count} largest of 3 runs"):
        make().largest(count)


def test_finals_leave_out_unfinished_runs():
    finals = make().finals()
    assert finals.names == ("a-small", "b-big")
    np.testing.assert_array_equal(finals.tokens, [30, 130])
    np.testing.assert_array_equal(finals.loss_of("general"), [4.7, 3.7])


def test_finals_average_the_last_rows():
    finals = make(final_average=2).finals()
    np.testing.assert_allclose(finals.loss_of("general"), 5 - np.array([25, 120]) / 100)
    np.testing.assert_allclose(finals.score_of("race"), np.array([25, 120]) / 1000)
    np.testing.assert_array_equal(finals.tokens, [30, 130])
    np.testing.assert_allclose(make(final_average=11).finals().score_of("race"), [0.02, 0.09])


def test_finals_average_what_was_measured():
    race = np.full(10, np.nan)
    race[8] = 0.5  # b-big at 110 tokens
    finals = make(final_average=3, columns={"score/race": race}).finals()
    np.testing.assert_array_equal(finals.score_of("race"), [np.nan, 0.5])


def test_finals_average_stops_at_the_final_row():
    """Rows after the declared final checkpoint, say of an annealing that failed, are not averaged in."""
    tokens = np.array([t for ts in TOKENS.values() for t in ts])
    finals = make(final_average=2, columns={"final": tokens == 90}).finals()
    np.testing.assert_allclose(finals.score_of("race"), [0.08])


def test_arrays_are_frozen_and_the_callers_are_not():
    loss = np.full(10, 2.0)
    table = make(columns={"loss/general": loss})
    loss[0] = 3.0
    assert table.loss_of("general")[0] == 2.0
    for view in (table, table.only("b-*"), table.finals(), table.hold_out("b-mid")):
        for name, value in vars(view).items():
            if isinstance(value, np.ndarray) and value.size:
                with pytest.raises(ValueError, match="read-only"):
                    value[...] = value
                assert not value.flags.writeable, name


def test_unknown_columns_name_the_nearest():
    with pytest.raises(InputError, match=re.escape("there is no loss domain 'genral'. Did you mean 'general'?")):
        make().loss_of("genral")
    with pytest.raises(InputError, match=re.escape("there is no task 'mmlu'. There is: race")):
        make().score_of("mmlu")


def test_compute_is_in_logarithms():
    table = make()
    c = table.law_inputs
    np.testing.assert_allclose(np.exp(c.log_flops), 6 * table.params * table.tokens)
    np.testing.assert_allclose(c.log_params + c.log_tokens, np.log(table.params * table.tokens))


def test_str():
    expected = "table: 3 runs (1 held out), 10 checkpoints, 2 loss domains, 1 task, N 2 to 5, C 120 to 3.9e+03"
    assert str(make()) == expected
    assert str(make().rows(np.zeros(10, bool))) == "table: no runs"


def test_runs_of_one_mixture():
    share = np.array([0.1] * 3 + [0.3] * 2 + [0.1] * 5)
    table = make(columns={"mix/general": 1 - share, "mix/code": share})
    assert table.at_mix({"code": 0.1}).names == ("a-small", "b-big")
    assert table.at_mix({"general": 0.7, "code": 0.3}).names == ("b-mid",)
    with pytest.raises(InputError, match=re.escape("no run has the mixture code 0.2. Choose")) as error:
        table.at_mix({"code": 0.2})
    assert "0.9 0.1; 0.7 0.3" in str(error.value) or "0.7 0.3; 0.9 0.1" in str(error.value)
    with pytest.raises(InputError, match="maths"):
        table.at_mix({"maths": 0.2})
