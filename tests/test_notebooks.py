"""The notebooks run from top to bottom, with few draws and a short discovery; printed figures are of the whole."""

import json
import re
from functools import partial
from pathlib import Path

import matplotlib as mpl
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from flpjax.fitting.discovery.discovery import discover

FOLDER = Path(__file__).parents[1] / "notebooks"


def test_there_are_notebooks():
    assert list(FOLDER.glob("*.ipynb"))


LONG = {"reproducing_the_paper"}  # tests/benchmarks/test_paper.py stands for it


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.thorough] if path.stem in LONG else [])
        for path in sorted(FOLDER.glob("*.ipynb"))
    ],
)
def test_notebook_runs(path, capsys, monkeypatch):
    monkeypatch.setattr("flpjax.results.compare.discover", partial(discover, rounds=1, per_round=3))
    cells = json.loads(path.read_text("utf-8"))["cells"]
    names = {"__name__": "notebook"}
    for cell in cells:
        if cell["cell_type"] == "code":
            source = re.sub(r"\bdraws=\d+", "draws=7", "".join(cell["source"]))
            exec(compile(source, str(path), "exec"), names)
    assert "truth" in capsys.readouterr().out
    plt.close("all")
