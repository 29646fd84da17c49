"""Every option of every command is checked before a fit is begun."""

import pytest

from flpjax.cli.app import main
from flpjax.ladder.export import csv_of
from flpjax.ladder.simulate import simulate_ladder
from flpjax.ladder.simulate_mixtures import simulate_mixtures
from tests.results.test_compare import few

BIG = ("--target", "N=7e9,D=1.4e12")
TO = ("-t", "C=1e23")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A ladder as ``ladder.csv``, mixtures of two sources as ``mixtures.csv``."""
    folder = tmp_path_factory.mktemp("tables")
    mixtures = few(simulate_mixtures(0, checkpoints=3, sizes=("0.12B", "0.2B", "0.5B", "1B", "3B")).runs)
    for name, runs in (("ladder", simulate_ladder(3, checkpoints=3).runs), ("mixtures", mixtures)):
        (folder / f"{name}.csv").write_text(csv_of(runs), encoding="utf-8")
    return folder


@pytest.fixture
def refused(tables, tmp_path, monkeypatch, capsys):
    """Run a command in which no fit may begin; what it said."""

    def begun(*_, **__):
        raise AssertionError("a fit was begun")

    monkeypatch.setenv("FLPJAX_CACHE", str(tmp_path / "compiled"))
    monkeypatch.chdir(tables)
    for module in ("point", "averaging.distinct"):
        monkeypatch.setattr(f"flpjax.fitting.{module}.fit_stage", begun)

    def go(*args):
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in args])
        said = capsys.readouterr()
        assert stop.value.code == 2, said.err
        assert said.out == "" or args[0] == "demo"
        return said.err

    return go


ONE_LINE = {
    ("forecast", *TO, "--level", "90"): "the level 90 is no probability",
    ("forecast", *TO, "--level", "nan"): "the level nan is no probability",
    ("forecast", *TO, "--draws", "1000000000"): "1,000,000,000 draws are more than memory holds. Ask for 100,000",
    ("forecast", *TO, "--draws", "1"): "auto: 1 draws. Give a whole number, 2 at least",
    ("forecast", *TO, "--draws", "0"): "auto is a blend",
    ("forecast", *TO, "--joint"): "auto fits its methods stage by stage",
    ("forecast", *TO, "--method", "flpp"): "there is no method 'flpp'. Did you mean 'flp'?",
    ("forecast", *TO, "--via", "codes"): "there is no loss domain 'codes'",
    ("forecast", *TO, "--method", "flp", "--via", "codes"): "there is no loss domain 'codes'",
    ("forecast", *TO, "--method", "fp", "--via", "code"): "does not go through a loss domain",
    ("forecast", "-t", "C=1e23,mix/coed=1"): "there is no data source 'coed'",
    ("forecast", *TO, "--json", "no/such/file.json"): "can't be written",
    ("forecast", *TO, "--plot", "no/such/file.png"): "can't be written",
    ("forecast", *TO, "--plot", "x.tiiff"): "there is no picture format '.tiiff'",
    ("forecast", *TO, "--plot", "-"): "only --json can be written to stdout",
    ("forecast", *TO, "--json", "x.png", "--plot", "x.png"): "--json names the same file",
    ("forecast", *TO, "--only", "7B,13B"): "all runs are held out",
    ("forecast", *TO, "--exclude", "*"): "no run is left. Loosen --only or --exclude",
    ("review", *TO, "--method", "flpp"): "there is no method 'flpp'",
    ("review", *TO, "--via", "codes"): "there is no loss domain 'codes'",
    ("review", *TO, "--draws", "1000000000"): "more than memory holds",
    ("review", *TO, "--draws", "0"): "auto is a blend",
    ("review", "-t", "C=1e23,mix/coed=1"): "there is no data source 'coed'",
    ("review", *TO, "--json", "no/such/file.json"): "can't be written",
    ("review", "--only", "7B,13B"): "all runs are held out",
    ("review", "--exclude", "*"): "no run is left",
    ("check", "--via", "codes"): "there is no loss domain 'codes'",
    ("check", "--exclude", "*"): "no run is left",
    ("check", "--json", "no/such/file.json"): "can't be written",
    ("backtest", "--largest", "2", "--level", "90"): "the level 90 is no probability",
    ("backtest", "--largest", "2", "--draws", "1000000000"): "more than memory holds",
    ("backtest", "--largest", "2", "--method", "flp", "--method", "flpp"): "there is no method 'flpp'",
    ("backtest", "--largest", "2", "--via", "codes"): "there is no loss domain 'codes'",
    ("backtest", "--largest", "99"): "asked for the 99 largest of 12 runs",
    ("backtest", "--largest", "12"): "all runs are held out",
    ("backtest", "--hold-out", "*"): "all runs are held out",
    ("backtest", "--hold-out", "8B"): "no run is named '8B'",
    ("backtest", "--largest", "2", "--json", "no/such/file.json"): "can't be written",
    ("mix", *BIG, "--task", "nope"): "there is no task 'nope'",
    ("mix", *BIG, "--task", "bbh=-1"): "the weight of 'bbh' is -1",
    ("mix", *BIG, "--task", "bbh=0"): "nothing counts",
    ("mix", *BIG, "--domain", "nope"): "there is no loss domain 'nope'",
    ("mix", *BIG, "--level", "90"): "the level 90 is no probability",
    ("mix", *BIG, "--draws", "1000000000"): "more than memory holds",
    ("mix", *BIG, "--baseline", "code=2"): "the weight of 'code' is 2",
    ("mix", *BIG, "--baseline", "code=0.2"): "sum to 0.2, not to 1",
    ("mix", *BIG, "--baseline", "coed=1"): "there is no data source 'coed'",
    ("mix", *BIG, "--kl", "1", "--prior", "coed=1"): "there is no data source 'coed'",
    ("mix", *BIG, "--kl", "inf"): "kl is inf",
    ("mix", *BIG, "--bound", "coed=0:1"): "there is no data source 'coed'",
    ("mix", *BIG, "--bound", "code=0.9:0.1"): "no mixture keeps to both",
    ("mix", *BIG, "--bound", "code=0:2"): "2 is no share",
    ("mix", *BIG, "--fixed", "code=nan"): "'code'",
    ("mix", *BIG, "--fixed", "code=0.9", "--fixed", "general=0.9"): "no mixture keeps to both",
    ("mix", *BIG, "--available", "coed=1e12"): "there is no data source 'coed'",
    ("mix", *BIG, "--available", "code=-1"): "-1 tokens are no number of tokens",
    ("mix", *BIG, "--available", "code=1e12", "--repeats", "0"): "0 repeats",
    ("mix", *BIG, "--group", "stem=coed:0:1"): "there is no data source 'coed'",
    ("mix", *BIG, "--over-draws", "median"): "over_draws is 'median'",
    ("mix", *BIG, "--risk", "2"): "risk is 2",
    ("mix", *BIG, "--method", "m3+networks"): "there is no method 'm3+networks'",
    ("mix", *BIG, "--method", "flp"): "does not know data sources",
    ("mix", *BIG, "--curve", "x.tiiff"): "there is no picture format '.tiiff'",
    ("mix", *BIG, "--json", "no/such/file.json"): "can't be written",
    ("mix", *BIG, "--exclude", "*"): "no run is left",
    ("compare", "--hold-out", "*"): "all runs are held out",
    ("compare", "--largest", "999"): "asked for the 999 largest",
    ("compare", "--largest", "2", "--json", "no/such/file.json"): "can't be written",
    ("demo", "--level", "90"): "the level 90 is no probability",
    ("demo", "--draws", "0"): "auto is a blend",
    ("demo", "--draws", "1000000000"): "more than memory holds",
    ("demo", "--method", "flpp"): "there is no method 'flpp'",
    ("demo", "--save", "no/such/file.csv"): "can't be written",
    ("demo", "--save", "ladder.csv"): "flpjax did not make it",
}


@pytest.mark.parametrize("args", ONE_LINE, ids=" ".join)
def test_no_fit_is_begun_for_a_bad_option(refused, args):
    command, *rest = args
    table = [] if command == "demo" else ["mixtures.csv" if command in ("mix", "compare") else "ladder.csv"]
    err = refused(command, *table, *rest)
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert ONE_LINE[args] in line


def test_that_a_fit_would_have_been_seen(refused):
    with pytest.raises(AssertionError, match="a fit was begun"):
        refused("forecast", "ladder.csv", *TO, "--method", "flp", "--draws", "2")
