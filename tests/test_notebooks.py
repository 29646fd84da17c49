"""The notebooks run from top to bottom, with few draws: printed figures are of as many as they say."""

import json
import re
from pathlib import Path

import jax
import matplotlib as mpl
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

FOLDER = Path(__file__).parents[1] / "notebooks"


def test_there_are_notebooks():
    assert list(FOLDER.glob("*.ipynb"))


@pytest.fixture
def _optimised():
    """Networks train for longer than they compile."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.mark.usefixtures("_optimised")
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebook_runs(path, capsys):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    names = {"__name__": "notebook"}
    for cell in cells:
        if cell["cell_type"] == "code":
            source = re.sub(r"\bdraws=\d+", "draws=7", "".join(cell["source"]))
            exec(compile(source, str(path), "exec"), names)
    assert "truth" in capsys.readouterr().out
    plt.close("all")
