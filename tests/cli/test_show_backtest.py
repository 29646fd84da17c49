"""The table of a backtest: one row a method in 80 columns, whatever was forecast."""

import pytest

from flpjax.cli.show import show_backtest
from flpjax.cli.text import alike
from flpjax.methods.registry import COMPARED
from flpjax.results.record import Backtest, Cell, Record

SCORES = tuple(Cell(run, "quiz", 0.62, 0.55, 0.7, 0.6, 0.61, 0.02) for run in ("r6", "r7"))
LOSSES = tuple(Cell(run, "c4", 2.1, 2.0, 2.3, 2.2, crps=0.05) for run in ("r6", "r7"))
WHOLE = Record(SCORES, LOSSES)


def table(record, **how):
    return show_backtest(Backtest(("r6", "r7"), 0.9, dict.fromkeys(COMPARED, record)), **how)[0]


@pytest.mark.parametrize("record", [WHOLE, Record(SCORES), Record(losses=LOSSES)], ids=["both", "scores", "losses"])
def test_one_row_a_method_fits_80_columns(record):
    lines = table(record).lines(80)
    assert max(map(len, lines)) <= 80
    for name in COMPARED:
        (row,) = [line.split() for line in lines if line.startswith(f" {name} ")]
        assert row[1:]
    assert " - " not in "".join(lines), "a column of which nothing is known is left out"
    assert max(map(len, table(record, by_target=True).lines(80))) <= 80


def test_a_message_of_several_methods_is_said_once():
    messages = {"auto": ["a", "b", "a"], "flp": ["b"], "fp": []}
    assert alike(messages) == ["auto: a", "auto, flp: b"]


def test_the_figures_are_means_over_targets():
    (head, *_) = [r for r in table(WHOLE).rows if r[0] == "flp"]
    figures = dict(zip(table(WHOLE).columns, head, strict=True))
    assert figures == {
        "method": "flp", "loss error": "4.5", "loss covered": "100.0", "loss CRPS": "2.3", "score error": "3.3",
        "at true loss": "1.7", "covered": "100.0", "width": "15.0", "CRPS": "2.0",
    }  # fmt: skip


def test_a_method_that_forecasts_less_is_named():
    less = Backtest(("r6", "r7"), 0.9, {"flp": WHOLE, "fp": Record(SCORES[:1]), "llama3": Record(failed="no")})
    assert [s.text for s in show_backtest(less) if hasattr(s, "text")] == ["Means are of 2 scores; of fp 1."]


def test_one_method_is_shown_output_by_output():
    single_model_share = Backtest(("r6", "r7"), 0.9, {"flp": WHOLE})
    titles = [sheet.title for sheet in show_backtest(single_model_share)]
    assert [t.split(",")[1:2] for t in titles[1:]] == [[" task by task"], [" loss by loss"]]
    assert [len(sheet.rows) for sheet in show_backtest(single_model_share)] == [1, 1, 1]
    assert [len(sheet.rows) for sheet in show_backtest(single_model_share, by_target=True)] == [2, 2, 2]
    assert any("55.0 to 70.0" in row for row in show_backtest(single_model_share, by_target=True)[1].rows)
    point = Backtest(("r6", "r7"), 0.9, {"flp": Record(SCORES, LOSSES, intervals=False)})
    assert not any(" to " in cell for s in show_backtest(point, by_target=True) for row in s.rows for cell in row)
