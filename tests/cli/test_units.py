"""Results in the units that the user's table has: losses in bits or as perplexity, scores with chance at 0."""

import math

import polars as pl
import pytest

from flpjax.cli.layout import Sheet
from flpjax.cli.show import show_forecast
from flpjax.cli.show_check import show_check
from flpjax.cli.units import unit_converters, words_of_units
from flpjax.ladder.tasks import Task
from flpjax.ladder.units import Unit
from flpjax.readers.read import read_runs
from flpjax.readers.units import LOSS
from flpjax.results.check import check
from flpjax.results.forecast import Forecast, Interval
from flpjax.results.target import Target


def forecast_of(loss: dict[str, Interval], score: dict[str, Interval]) -> Forecast:
    import numpy as np

    nothing = np.zeros((2, 1, 0))
    target = Target("t", 1e9, 1e10, 6e19)
    return Forecast("flp", "bootstrap", 0.9, 2, (target,), (2.0,), (loss,), (score,), nothing, nothing, {}, ())


def test_tables_are_in_the_users_units() -> None:
    shown = {"wiki": LOSS["perplexity"], "code": LOSS["bits"]}
    tasks = (Task("core", 0.2, centred=True), Task("piqa", 0.5))
    nats = Interval(math.log(20.0), math.log(10.0), math.log(40.0))
    result = forecast_of(
        {"wiki": nats, "code": nats, "c4": nats}, {"core": Interval(0.6, 0.2, 1.0), "piqa": Interval(0.6, 0.5, 0.7)}
    )
    truth = {"t": {"loss/wiki": math.log(25.0), "core": 0.4}}
    (sheet,) = show_forecast(result, truth, ["wiki", "code", "c4"], unit_converters(shown, tasks))
    text = "\n".join(" ".join(map(str, row)) for row in sheet.rows)
    assert "loss wiki 20.000 10.000 to 40.000 25.000" in text
    assert f"loss code {math.log2(20):.3f} {math.log2(10):.3f}" in text
    assert f"loss c4 {math.log(20):.3f}" in text
    assert "core 50.0 0.0 to 100.0 25.0" in text
    assert "piqa 60.0 50.0 to 70.0" in text
    said = words_of_units(shown, tasks)
    assert said == "Loss wiki in perplexity. Loss code in bits. Scores in %, of core with chance at 0."
    assert words_of_units({}, tasks[1:]) == "Scores in %."


def test_a_look_at_a_table_is_in_its_units() -> None:
    frame = pl.DataFrame({"run": ["a", "b"], "params": [1, 2], "tokens": [1e3, 2e3], "ppl": [20.0, 10.0]})
    runs = read_runs(frame, {"columns": {"loss/wiki": {"column": "ppl", "unit": "perplexity"}}})
    sheet = show_check(check(runs))[0]
    assert isinstance(sheet, Sheet)
    assert "final loss, perplexity" in sheet.columns
    assert [row[5] for row in sheet.rows] == ["20.000", "10.000"]


@pytest.mark.parametrize("unit", list(LOSS.values()))
def test_a_unit_and_back(unit: Unit) -> None:
    import numpy as np

    assert unit.shown(float(unit.canonical(np.array([3.7]))[0])) == pytest.approx(3.7, rel=1e-14)
