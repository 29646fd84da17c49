"""Notebooks run from top to bottom, with few draws: stories with pictures. Printed figures are of the whole."""

import ast
import json
import re
from functools import partial
from pathlib import Path

import matplotlib as mpl
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from flpjax.fitting.discovery.discovery import discover

FOLDER = Path(__file__).parents[1] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
FEW = {"2000": "101"}  # draws of auto, which needs some to be weighed; of others 7 are enough


def cells(path):
    """Kind and source of each cell of a percent script."""
    for cell in re.split(r"^# %%", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        head, _, source = cell.partition("\n")
        yield ("markdown" if "[markdown]" in head else "code"), source


def shown(source, names):
    """Run a cell; the value of its last line, as a notebook shows it."""
    few = re.sub(r"\bdraws=(\d+)", lambda found: f"draws={FEW.get(found[1], 7)}", source)
    body = ast.parse(few).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "notebook", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "notebook", "eval"), names)


def test_the_notebooks_are_those_that_the_documentation_names():
    names = [path.stem for path in SCRIPTS]
    assert names == ["01_ladder_to_forecast", "02_best_mixture", "03_can_i_trust_it", "04_your_own_law"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_is_a_story_with_pictures(path):
    kinds = [kind for kind, _ in cells(path)]
    assert kinds[0] == "markdown"
    assert kinds.count("markdown") >= 5, "it says why, not only how"
    names, values = {"__name__": "notebook"}, []
    for kind, source in cells(path):
        if kind == "code":
            values.append(shown(source, names))
    pictures = [value for value in values if isinstance(value, Figure)]
    assert pictures
    assert all(ax.get_xlabel() or ax.get_ylabel() for figure in pictures for ax in figure.axes if ax.axison)
    tables = [value._repr_html_() or "" for value in values if hasattr(value, "_repr_html_")]
    assert any("<table" in table for table in tables)
    plt.close("all")


@pytest.mark.thorough  # tests/benchmarks/test_paper.py stands for it
def test_the_paper_is_reproduced(capsys, monkeypatch):
    monkeypatch.setattr("flpjax.results.compare.discover", partial(discover, rounds=1, per_round=3))
    names = {"__name__": "notebook"}
    for cell in json.loads((FOLDER / "reproducing_the_paper.ipynb").read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            shown("".join(cell["source"]), names)
    assert "truth" in capsys.readouterr().out
    plt.close("all")
