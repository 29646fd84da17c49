"""The house stands: imports run down only, and nothing below the faces sets JAX's global configuration."""

import ast
from pathlib import Path

import pytest

import flpjax

PACKAGE = Path(flpjax.__file__).parent
FLOOR = {
    "errors": 1,
    "numerics": 1,
    "version": 1,
    "runs": 2,
    "readers": 3,
    "engine": 3,
    "forms": 3,
    "datasets": 4,
    "predictors": 4,
    "fitting": 5,
    "answers": 6,
    "faces": 7,
    "__init__": 8,  # the public surface of the package, above all rooms
    "__main__": 8,
}
MODULES = sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))


def room_of(parts):
    """The room of a module given as the parts of its dotted name after ``flpjax``."""
    return parts[0] if parts and parts[0] in FLOOR else "__init__"


def imports(path, tree):
    """``(line, room)`` of everything of flpjax that a module imports, lazy and type-checking imports too."""
    package = ("flpjax", *Path(path).parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [tuple(a.name.split(".")) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            targets = [(*base, a.name) for a in node.names]
        else:
            continue
        yield from ((node.lineno, room_of(t[1:])) for t in targets if t[0] == "flpjax")


def bad_imports(path, source):
    """What is wrong with the imports of the module at ``path`` in the package."""
    own = Path(path).with_suffix("").parts[0]
    if own not in FLOOR:
        return [f"{path}: '{own}' is on no floor"]
    return [
        f"{path}:{line}: {own} (floor {FLOOR[own]}) imports {room} (floor {FLOOR[room]})"
        for line, room in imports(path, ast.parse(source))
        if room != own and FLOOR[room] + (FLOOR[own] > 1) > FLOOR[own]  # sideways on the ground floor only
    ]


def sets_jax(path, source):
    """Where a module calls ``jax.config.update``, under whatever name it imported it."""
    tree = ast.parse(source)
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {f"{a.asname or 'jax'}.config.update" for a in node.names if a.name.split(".")[0] == "jax"}
        elif isinstance(node, ast.ImportFrom) and node.module == "jax":
            names |= {f"{a.asname or a.name}.update" for a in node.names if a.name == "config"}
    calls = (n for n in ast.walk(tree) if isinstance(n, ast.Call))
    return [f"{path}:{n.lineno}: sets JAX's configuration" for n in calls if ast.unparse(n.func) in names]


@pytest.mark.parametrize("path", MODULES)
def test_imports_run_down_only(path):
    assert bad_imports(path, (PACKAGE / path).read_text("utf-8")) == []


@pytest.mark.parametrize("path", [m for m in MODULES if not m.startswith("faces/")])
def test_only_faces_configure_jax(path):
    assert sets_jax(path, (PACKAGE / path).read_text("utf-8")) == []


@pytest.mark.parametrize("path", [m for m in MODULES if m.startswith("runs/")])
def test_the_table_is_plain_numpy(path):
    tree = ast.parse((PACKAGE / path).read_text("utf-8"))
    found = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    found |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert not [m for m in found if m.split(".")[0] == "jax" or m == "flpjax.numerics"]


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("forms/law.py", "from flpjax.fitting.point import fit", "forms/law.py:1: forms (floor 3) imports fitting"),
        ("forms/law.py", "import flpjax.engine.batch as b", "forms (floor 3) imports engine (floor 3)"),
        ("readers/csv.py", "from flpjax import forms", "readers (floor 3) imports forms (floor 3)"),
        (
            "engine/batch.py",
            "def f():\n    from flpjax.readers import csv",
            "engine/batch.py:2: engine (floor 3) imports",
        ),
        ("runs/table.py", "from ..predictors.flp import FLP", "runs (floor 2) imports predictors (floor 4)"),
        ("runs/table.py", "from .. import answers", "runs (floor 2) imports answers (floor 6)"),
        ("errors.py", "from .runs import table", "errors (floor 1) imports runs (floor 2)"),
        ("answers/mix.py", "from flpjax import read_runs", "answers (floor 6) imports __init__ (floor 8)"),
        ("faces/cli.py", "import flpjax", "faces (floor 7) imports __init__ (floor 8)"),
        ("attic/old.py", "", "attic/old.py: 'attic' is on no floor"),
    ],
)
def test_a_planted_import_is_caught(path, source, message):
    (found,) = bad_imports(path, source)
    assert message in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("forms/law.py", "from flpjax.runs.compute import Compute\nfrom flpjax.numerics import require_x64"),
        ("forms/law.py", "from flpjax.forms.form import Form\nfrom . import form\nfrom .form import Form"),
        ("faces/cli.py", "from flpjax.answers import forecast\nfrom ..errors import InputError"),
        ("__init__.py", "from flpjax.faces.cli import main\nfrom .runs.table import Runs"),
        ("numerics.py", "from flpjax.errors import PrecisionError"),
        ("engine/batch.py", "import jax\nfrom flpjaxlike.readers import x"),
    ],
)
def test_good_imports_pass(path, source):
    assert bad_imports(path, source) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('import jax\njax.config.update("jax_enable_x64", True)', [2]),
        ('import jax as j\ndef f():\n    j.config.update("jax_enable_x64", True)', [3]),
        ('from jax import config\nconfig.update("jax_enable_x64", True)', [2]),
        ('from jax import config as c\nc.update("jax_enable_x64", True)', [2]),
        ('import jax.numpy as jnp\nimport jax\njax.config.update("jax_enable_x64", True)', [3]),
        ("import jax\nconfig = {}\nconfig.update(a=1)\njax.config.read('jax_enable_x64')", []),
    ],
)
def test_a_planted_configuration_is_caught(source, lines):
    assert sets_jax("m.py", source) == [f"m.py:{n}: sets JAX's configuration" for n in lines]
