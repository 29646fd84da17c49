"""Registered forecasts: kept as they were made, asked again without a fit, and held against what came."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import flpjax
from flpjax.cli.app import main
from flpjax.errors import InputError
from flpjax.fitting.draws import Draws
from flpjax.ladder.export import csv_of
from flpjax.ladder.simulate import Simulated
from flpjax.ladder.table import Runs
from flpjax.results.baseline import baseline
from flpjax.results.record import crps
from flpjax.results.registration import Registration, digest_of
from flpjax.results.score_log import log_lines, read_log, reliability


@pytest.fixture(scope="module")
def targets(noisy: Simulated) -> Runs:
    return noisy.runs.targets()


@pytest.fixture(scope="module")
def kept(noisy: Simulated, sound: Draws) -> Registration:
    return flpjax.register(sound, noisy.runs.training(), flpjax.targets_of(noisy.runs.targets()), method="flp")


def test_the_baseline_is_a_line_with_its_own_t(table) -> None:
    """Of losses in logarithms, against scipy's own regression and predictive t."""
    rng = np.random.default_rng(0)
    runs = table(
        {"x": np.exp(1 - 0.1 * np.arange(5)[:, None] + 0.01 * rng.standard_normal((5, 1)))}, {"t": np.full((5, 1), 0.5)}
    )
    target = flpjax.Target("big", 1e9, 1e11, 6e20)
    found = baseline(runs, [target], draws=1001)
    x, y = np.log(runs.flops), np.log(runs.loss[:, 0])
    line = stats.linregress(x, y)
    residual = y - line.intercept - line.slope * x
    sd = math.sqrt((residual**2).sum() / 3 * (1 + 0.2 + (math.log(6e20) - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()))
    middle = line.intercept + line.slope * math.log(6e20)
    quantiles = middle + sd * stats.t.ppf((np.arange(1001) + 0.5) / 1001, 3)
    np.testing.assert_allclose(np.log(found.loss[:, 0, 0]), quantiles, rtol=1e-9)
    np.testing.assert_allclose(found.score[:, 0, 0], 0.5, atol=1e-12)
    few = table({"x": np.ones((2, 1))}, {})
    assert np.isnan(baseline(few, [target]).loss).all()


def test_a_registration_returns_bit_by_bit_and_answers_without_a_fit(kept: Registration, tmp_path: Path) -> None:
    file = tmp_path / "f.flp"
    kept.save(file)
    again = flpjax.load(file)
    assert isinstance(again, Registration)
    assert again.to_bytes() == kept.to_bytes() == file.read_bytes()
    assert again.forecast.to_json() == kept.forecast.to_json()
    made = flpjax.forecast(again.draws, again.forecast.targets, method="flp")
    assert made.to_json() == kept.forecast.to_json()
    assert kept.review is not None
    assert str(again.review) == str(kept.review)


def test_the_score_of_a_forecast_is_counted_by_hand(kept: Registration, targets: Runs) -> None:
    result = flpjax.score(kept, targets)
    finals, made = targets.finals(), kept.forecast
    assert len(result.cells) == len(finals) * (len(finals.domains) + len(finals.tasks))
    for cell in result.cells:
        i = [t.name for t in made.targets].index(cell.target)
        row = [finals.names[r] for r in finals.run].index(cell.target)
        loss = cell.kind == "loss"
        names = kept.draws.model.domains if loss else kept.draws.model.tasks
        draws = (made.loss_draws if loss else made.score_draws)[:, i, names.index(cell.name)]
        actual = (finals.loss_of if loss else finals.score_of)(cell.name)[row]
        assert cell.actual == actual
        assert cell.rank == pytest.approx(((draws < actual).mean() + (draws <= actual).mean()) / 2)
        assert cell.crps == pytest.approx(crps(np.sort(draws), actual))
        assert cell.held == (cell.lower <= actual <= cell.upper)
    held, of = result.held
    assert of == len(result.cells)
    assert held == sum(bool(cell.held) for cell in result.cells)
    pairs = [(c.crps, c.baseline_crps) for c in result.cells if c.crps and c.baseline_crps]
    assert result.gain == pytest.approx(1 - math.exp(np.mean([math.log(a / b) for a, b in pairs])))


def test_how_runs_are_matched_with_targets(kept: Registration, targets: Runs) -> None:
    one = targets.only([targets.names[0]])
    result = flpjax.score(kept, one)
    assert {cell.target for cell in result.cells} == {targets.names[0]}
    assert f"not there yet: {targets.names[1]}" in result.notes
    other = replace(one, names=("something else",))
    with pytest.raises(InputError, match="no run is called as a target"):
        flpjax.score(kept, other)
    early = replace(one, loss=np.full_like(one.loss, np.nan), score=np.full_like(one.score, np.nan))
    with pytest.raises(
        InputError, match=f"no final value of '{targets.names[0]}' is measured. Score a run when it has"
    ):
        flpjax.score(kept, early)
    single = replace(
        kept,
        forecast=flpjax.forecast(kept.draws, kept.forecast.targets[:1]),
        baseline=type(kept.baseline)(kept.baseline.loss[:, :1], kept.baseline.score[:, :1]),
    )
    assert "taken for target" in " ".join(flpjax.score(single, other).notes)
    longer = replace(one, flops=1.2 * one.flops)
    assert "another run than the one that was asked about" in " ".join(flpjax.score(kept, longer).notes)
    for factor in (1 / 3, 2.0):  # of one target there is another run, of the other the one that was meant
        third = replace(targets, flops=np.where(targets.run == 0, factor, 1.0) * targets.flops)
        result = flpjax.score(kept, third)
        assert {cell.target for cell in result.cells} == {targets.names[1]}
        assert any("another run, which is not scored" in note for note in result.notes)
        with pytest.raises(InputError, match=r"another run, which is not scored\. Score the run that was forecast"):
            flpjax.score(kept, third.only([targets.names[0]]))


def test_a_log_tells_how_calibrated_forecasts_were(kept: Registration, targets: Runs, tmp_path: Path) -> None:
    """Uniform ranks are calibrated; ranks at the ends are of a forecast that is too sure, and that is caught."""
    result = flpjax.score(kept, targets, digest="a" * 64)
    rng = np.random.default_rng(0)
    for file, ranks in (("good", rng.uniform(size=4000)), ("sure", rng.uniform(size=4000).round())):
        cells = [replace(result.cells[0], name=str(i), rank=float(rank)) for i, rank in enumerate(ranks)]
        log = tmp_path / f"{file}.jsonl"
        log.write_text(2 * log_lines(replace(result, cells=tuple(cells))))  # scored twice, the last line counts
        found = read_log(log)
        assert len(found.cells) == 4000
        for row in found.to_dicts():
            expected = row["level"] if file == "good" else 0.0
            assert row["held"] == pytest.approx(expected, abs=3 * math.sqrt(0.25 / 4000))
    assert list(reliability([0.5, 0.95])) == [(0.0, 0.5), (pytest.approx(0.9), 1.0)]
    log.write_text(log.read_text() + '{"target": 1}\n')
    with pytest.raises(InputError, match=r"sure\.jsonl, line 8001: the line is no quantity"):
        read_log(log)


@pytest.fixture
def folder(kept: Registration, targets: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    kept.save("f.flp")
    Path("actual.csv").write_text(csv_of(targets))
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return int(end.value.code or 0)


def test_the_command_line_scores_and_logs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("score", "f.flp", "actual.csv", "--json", "s.json") == 0
    said = capsys.readouterr()
    assert "intervals of 90 % held" in said.out
    assert "baseline's" in said.out
    assert "logged in scores.jsonl" in said.err
    scored = json.loads((folder / "s.json").read_text())
    assert scored["forecast_sha256"] == digest_of("f.flp")
    assert run("score", "f.flp", "actual.csv") == 0
    capsys.readouterr()
    assert run("score", "--log", "--plot", "c.png", "--json", "log.json") == 0
    assert "Intervals of" in capsys.readouterr().out
    assert (folder / "c.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "log.json").read_text())["forecasts"][0]["intervals"] == scored["intervals"]


def test_the_command_line_asks_registered_draws_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("forecast", "--from", "f.flp", "--json", "same.json") == 0
    again = json.loads((folder / "same.json").read_text())
    again.pop("made_by")
    assert again == json.loads(flpjax.load("f.flp").forecast.to_json())
    assert run("forecast", "--from", "f.flp", "--target", "C=1e22", "--level", "0.5") == 0
    assert "50 % interval" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("forecast",), "there is no table of runs"),
        (("forecast", "actual.csv", "--from", "f.flp"), "the draws are there already"),
        (("forecast", "--from", "f.flp", "--method", "flp"), "the draws are there already"),
        (("forecast", "--from", "actual.csv"), "no file that flpjax saved"),
        (("forecast", "actual.csv", "-t", "C=1e22", "--register", "f.flp"), "a forecast that was registered is kept"),
        (("score",), "there is no forecast"),
        (("score", "f.flp"), "there is nothing to hold it against"),
        (("score", "--log"), "flpjax score FORECAST ACTUAL begins one"),
        (("score", "f.flp", "actual.csv", "--log-file", "actual.csv"), "no quantity that was scored"),
    ],
)
def test_what_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["actual.csv", "f.flp"]


def test_a_forecast_is_registered_by_the_command_line(
    noisy: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ladder.csv").write_text(csv_of(noisy.runs))
    assert run("forecast", "ladder.csv", "--method", "flp", "--draws", "7", "--register", "f.flp") == 0
    assert "when it came: flpjax score f.flp" in capsys.readouterr().err
    kept = flpjax.load("f.flp")
    assert [t.name for t in kept.forecast.targets] == list(noisy.runs.targets().names)
    assert run("score", "f.flp", "ladder.csv") == 0
