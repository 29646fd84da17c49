"""The documentation's three commands from files of other programs to a report, as printed, on public data."""

import csv
import re
import shlex
import shutil
from pathlib import Path

import pytest

from flpjax.cli.app import main

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text("utf-8")
LARGEST = 3_000_000  # bytes of a report
OLMO_N = {
    "190M": "190M", "370M": "371M", "760M": "758M", "1B": "1.28B", "3B": "3.17B",
    "peteish7": "6.89B", "peteish13": "13.2B",
}  # fmt: skip
PYTHIA = {"160m": "85M", "410m": "302M", "1.4b": "1.21B"}


def commands(heading):
    """The commands of one section of the page."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [shlex.split(line, comments=True)[1:] for line in re.findall(r"^flpjax .*$", section, re.MULTILINE)]


def run(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code or 0


def fill_in(path, change):
    """What the user writes: nothing but cells of the join table."""
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, **change(row)} for row in rows)


@pytest.mark.public
def test_from_histories_to_a_report(public_data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(public_data / "olmo-ladder/src/scripts/paper/data/ladder-runs", "histories")
    first, second, third = commands("From Weights & Biases to a report")
    assert run(first) == 0
    fill_in(
        tmp_path / "ladder.models.csv",
        lambda row: {"params": next(n for name, n in OLMO_N.items() if re.match(f"{name}[-_]", row["run"]))},
    )
    assert run(second) == 0
    assert "41 runs, 4,196 checkpoints, 31 loss domains, 40 tasks, N 190M to 13.2B" in capsys.readouterr().out
    assert run(third) == 0
    assert capsys.readouterr().out.startswith("A model of N = 7B, D = 4T is forecast to reach a loss on c4_en of 2.")
    assert Path("report.html").stat().st_size < LARGEST


@pytest.mark.public
def test_from_results_to_a_report(public_data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(public_data / "pythia-lm-eval", "results")
    first, second, third = commands("From lm-evaluation-harness to a report")
    assert run(first) == 0
    fill_in(
        tmp_path / "scores.models.csv",
        lambda row: {
            "params": next(n for name, n in PYTHIA.items() if name in row["run"]), "batch": "1024", "context": "2048",
        },
    )  # fmt: skip
    printed = re.findall(r"^EleutherAI.*$", PAGE, re.MULTILINE)
    assert len(printed) == 2
    assert set(printed) <= set(Path("scores.models.csv").read_text("utf-8").splitlines())
    assert run(second) == 0
    assert "3 runs, 12 checkpoints, 0 loss domains, 65 tasks, N 85M to 1.21B" in capsys.readouterr().out
    assert run(third) == 0
    assert capsys.readouterr().out.startswith("A model of N = 2.8B, D = 300B is forecast to reach ")
    assert Path("scores.html").stat().st_size < LARGEST
