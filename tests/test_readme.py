"""What README prints in Python is there: names as they are printed, arguments as they are given."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flpjax

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
NAMES = sorted({name.rstrip(".") for name in re.findall(r"\bflpjax\.([A-Za-z_][\w.]*)", TEXT)})


def test_every_name_is_an_attribute_after_the_import_alone():
    """``flpjax.datasets.ladder()`` raised AttributeError until some other import had loaded the module."""
    assert "datasets.ladder" in NAMES
    program = (
        f"import flpjax\nfor name in {NAMES}:\n    eval('flpjax.' + name)\nprint(len(flpjax.datasets.ladder().names))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


def test_the_public_names_are_listed_and_found():
    assert {"datasets", "Cell", "Record", "Backtest", "forecast"} <= set(flpjax.__all__) <= set(dir(flpjax))
    assert all(hasattr(flpjax, name) for name in flpjax.__all__)
    with pytest.raises(AttributeError, match="module 'flpjax' has no attribute 'dataset'"):
        _ = flpjax.dataset


def calls(block):
    """The calls of flpjax's own functions in a block: ``(name, number of arguments, keywords)``."""
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("flpjax."):
            yield ast.unparse(node.func).removeprefix("flpjax."), len(node.args), [k.arg for k in node.keywords]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_blocks_call_what_there_is_with_arguments_that_it_takes(block):
    found = list(calls(block))
    assert found
    for name, positional, keywords in found:
        function = flpjax
        for part in name.split("."):
            function = getattr(function, part)
        inspect.signature(function).bind(*[None] * positional, **dict.fromkeys(keywords))
