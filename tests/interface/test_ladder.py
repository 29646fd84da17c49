"""flpjax.Ladder gives what the functions give, and every answer shows itself."""

import copy
import pickle

import jax
import numpy as np
import pytest

import flpjax
from flpjax.errors import InputError, PrecisionError
from tests.cli.cases import Shape

TARGET = "8B: N=8e9, D=2e11"
DRAWS = 8


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    file, _, mapping = Shape().write(tmp_path_factory.mktemp("face"), "ladder")
    return flpjax.Ladder(file, mapping, method="flp", draws=DRAWS)


@pytest.fixture(scope="module")
def answers(ladder):
    return {
        "check": ladder.check(),
        "forecast": ladder.forecast(TARGET),
        "review": ladder.review(TARGET),
        "backtest": ladder.backtest("flp", "fp-gpt4", largest=2),
    }


def test_it_fits_once_and_as_the_functions_do(ladder, answers):
    assert ladder.fitted is ladder.fitted
    method = flpjax.method("flp")
    draws = flpjax.fit(method, ladder.runs, jax.random.key(0), draws=DRAWS)
    made = flpjax.forecast(draws, [flpjax.Target("8B", params=8e9, tokens=2e11)], method="flp")
    assert answers["forecast"].to_json() == made.to_json()
    reviewed = flpjax.review(draws, ladder.runs, made.targets)
    assert answers["review"].verdict == reviewed.verdict
    assert {f.name for f in answers["review"].findings} == {f.name for f in reviewed.findings}


def test_answers_go_to_other_processes(ladder, answers):
    for name, answer in answers.items():
        again = pickle.loads(pickle.dumps(answer))
        assert str(again) == str(answer), name
        assert again.result.to_dicts() == answer.result.to_dicts()
    assert again.plot().axes, "of a backtest"
    assert pickle.loads(pickle.dumps(ladder)).forecast(TARGET).to_json() == answers["forecast"].to_json()


def test_answers_are_results_with_frames_and_html(answers):
    for name, answer in answers.items():
        frame, rows = answer.table(), answer.result.to_dicts()
        assert frame.shape == (len(rows), len(rows[0])), name
        assert frame.to_dicts() == rows
        assert answer.table("pandas").shape == frame.shape
        html = answer._repr_html_()
        assert html.count("<table") >= (name != "review")
        assert html.count("<div") == html.count("</div>")
        assert "<script" not in html
        assert all(warning in str(answer) for warning in getattr(answer, "warnings", ()))
        assert type(answer.result).__name__ in repr(answer)
    assert answers["backtest"].held_out == ("r6", "r7")
    assert set(answers["backtest"].methods) == {"flp", "fp-gpt4"}
    copied = copy.copy(answers["forecast"])
    assert copied.result is answers["forecast"].result
    with pytest.raises(AttributeError):
        _ = answers["forecast"].nothing
    with pytest.raises(InputError, match="no frame of 'excel'"):
        answers["check"].table("excel")


def test_answers_print_the_tables_of_the_command_line(answers):
    told = {
        "check": ["final loss, nats", answers["check"].summary],
        "forecast": ["median", "90 % interval", *answers["forecast"].score[0]],
        "backtest": ["method", "covered", *answers["backtest"].methods],
        "review": [f"Review: {answers['review'].verdict.name}", *(f.figure for f in answers["review"].open)],
    }
    for name, words in told.items():
        text = str(answers[name])
        assert all(word in text for word in words), name
        assert text == text.strip()
        assert "\x1b" not in text


def test_answers_have_pictures_or_say_that_there_is_none(answers):
    for answer in (answers["forecast"], answers["backtest"], answers["forecast"].result, answers["backtest"].result):
        assert answer.plot()._repr_png_().startswith(b"\x89PNG")
    for name in ("check", "review"):
        with pytest.raises(InputError, match="there is no picture of a"):
            answers[name].plot()


def test_the_picture_of_a_backtest_shows_each_error(answers):
    record = answers["backtest"].methods["flp"]
    ax = answers["backtest"].plot().axes[0]
    drawn = np.sort(
        np.concatenate([line.get_xdata(orig=False) for line in ax.lines if line.get_marker() in ("o", "D")])
    )
    np.testing.assert_allclose(drawn, np.sort([100 * (c.predicted - c.actual) for c in record.scores]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source": "nowhere.csv"}, "nowhere.csv"),
        ({"method": "nothing"}, "there is no method"),
        ({"level": 2.0}, "level"),
        ({"method": "auto", "draws": 0}, "blend"),
        ({"draws": -1}, r"-1 draws\. Give a whole number"),
        ({"draws": 10.0}, r"10\.0 draws\. Give a whole number"),
        ({"seed": 1.5}, r"the seed 1\.5 is no whole number"),
    ],
)
def test_what_is_wrong_ends_where_the_ladder_is_made(ladder, arguments, words):
    with pytest.raises(InputError, match=words):
        flpjax.Ladder(**{"source": ladder.runs, **arguments})


def test_bad_targets_end_before_any_fit(ladder):
    fresh = flpjax.Ladder(ladder.runs, method="flp", draws=DRAWS)
    for targets in ((), ("N=7",), ("N=7e9,D=4e12,mix/web=1",)):
        with pytest.raises(InputError):
            fresh.forecast(*targets)
    assert "fitted" not in vars(fresh)


def test_float64_is_asked_for_once_and_first(ladder):
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(PrecisionError, match="jax_enable_x64"):
            flpjax.Ladder("nowhere.csv")
    finally:
        jax.config.update("jax_enable_x64", True)


def test_a_ladder_is_frozen_and_shows_its_table(ladder):
    with pytest.raises(AttributeError):
        ladder.level = 0.5
    assert "<table" in ladder._repr_html_()
    assert repr(ladder).startswith("Ladder of ")
