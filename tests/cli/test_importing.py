"""``flpjax import``: what it writes, what it says, and what it does not overwrite."""

import json
from pathlib import Path

import pytest

from flpjax.cli.app import main

RESULTS = {"results": {"piqa": {"acc,none": 0.6, "acc_stderr,none": 0.01}}, "versions": {"piqa": 1}, "config": {}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for size in ("a", "b"):
        (tmp_path / "out" / size).mkdir(parents=True)
        (tmp_path / "out" / size / "results_1.json").write_text(json.dumps(RESULTS))
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["import", *arguments])
    return int(end.value.code or 0)


def test_a_template_then_a_ladder_that_check_reads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("out") == 0
    said = capsys.readouterr().out
    assert "Then: flpjax import out --join ladder.models.csv -o ladder.csv" in said
    assert sorted(p.name for p in folder.iterdir()) == ["ladder.models.csv", "out"]
    template = (folder / "ladder.models.csv").read_text()
    assert template == "run,params,tokens,flops\na,,,\nb,,,\n"
    (folder / "ladder.models.csv").write_text("run,params,tokens\na,10M,2B\nb,20M,4B\n")
    assert run("out") == 0  # what was filled in stays
    assert "is there already: if it is filled in" in capsys.readouterr().out
    assert (folder / "ladder.models.csv").read_text().startswith("run,params,tokens\na,10M")
    assert run("out", "--join", "ladder.models.csv", "--json", "told.json") == 0
    told = json.loads((folder / "told.json").read_text())
    assert (told["format"], told["runs"], told["tasks"], told["lacking"]) == ("lm-eval", ["a", "b"], ["piqa"], [])
    assert "Next: flpjax check ladder.csv --mapping ladder.toml" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main(["check", "ladder.csv", "--mapping", "ladder.toml"])
    assert not end.value.code
    assert "chance" not in capsys.readouterr().err


def test_its_own_table_is_replaced_and_one_that_was_edited_is_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    constants = ("--constant", "params=10M", "--constant", "tokens=2B")
    assert run("out", *constants) == 0
    assert run("out", *constants) == 0
    table = folder / "ladder.csv"
    table.write_text(table.read_text() + "c,1,1,6,true,false,.5,.1\n")
    capsys.readouterr()
    assert run("out", *constants) == 2
    assert "is there already, and flpjax did not make it" in capsys.readouterr().err
    assert run("out", *constants, "--force") == 0
    mapping = folder / "ladder.toml"
    mapping.write_text(mapping.read_text().replace("piqa", "pika"))
    assert run("out", *constants) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "there is no such file"),
        (("out", "-o", "ladder.parquet"), "the ladder is written as CSV"),
        (("out", "--format", "wand"), "Did you mean 'wandb'"),
        (("out", "--constant", "parms=1"), "Did you mean 'params'"),
        (("out", "--constant", "params=-1"), "Give a positive number"),
        (("out", "--column", "los/c4=x"), "'los/c4' is no canonical column"),
        (("out", "--column", "loss/c4"), "'loss/c4' is not understood"),
        (("out", "--metric", "piqa=acc_norm"), "task 'piqa' has no metric 'acc_norm'"),
        (("out", "--join", "out/a/results_1.json"), "results_1.json"),
    ],
)
def test_what_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err
    assert [p.name for p in folder.iterdir()] == ["out"]
