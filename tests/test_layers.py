"""Imports run down only and in no circle, and nothing below the command line sets JAX's global configuration."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import flpjax

PACKAGE = Path(flpjax.__file__).parent
LAYER = {
    "centres": 1,
    "elimination": 1,
    "errors": 1,
    "kept": 1,
    "numerics": 1,
    "renamed": 1,
    "shown": 1,
    "version": 1,
    "ladder": 2,
    "readers": 3,
    "engine": 3,
    "laws": 3,
    "datasets": 4,
    "methods": 4,
    "fitting": 5,
    "results": 6,
    "cli": 7,
    "interface": 8,
    "__init__": 9,  # the public surface of the package, above all packages
    "__main__": 9,
}
MODULES = sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))


def package_of(parts):
    """The package of a module given as the parts of its dotted name after ``flpjax``."""
    return parts[0] if parts and parts[0] in LAYER else "__init__"


def imports(path, tree):
    """``(line, package)`` of everything of flpjax that a module imports, lazy and type-checking imports too."""
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
        yield from ((node.lineno, package_of(t[1:])) for t in targets if t[0] == "flpjax")


def bad_imports(path, source):
    """What is wrong with the imports of the module at ``path`` in the package."""
    own = Path(path).with_suffix("").parts[0]
    if own not in LAYER:
        return [f"{path}: '{own}' is in no layer"]
    return [
        f"{path}:{line}: {own} (layer {LAYER[own]}) imports {other} (layer {LAYER[other]})"
        for line, other in imports(path, ast.parse(source))
        if other != own and LAYER[other] + (LAYER[own] > 1) > LAYER[own]  # sideways in the lowest layer only
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


def graph(sources):
    """Module → the modules that it imports when it runs, at its top or later."""
    found = {}
    for name, source in sources.items():
        tree = ast.parse(source)
        typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
        skipped = {id(n) for branch in typing for n in ast.walk(branch)}
        targets = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and id(node) not in skipped:
                names = [f"{node.module}.{a.name}" for a in node.names]
                targets |= {n if n in sources else node.module for n in names}
            elif isinstance(node, ast.Import) and id(node) not in skipped:
                targets |= {a.name for a in node.names}
        found[name] = {t for t in targets if t in sources and t != name}
    return found


def test_imports_run_in_no_circle():
    sources = {}
    for folder in ("flpjax", "benchmarks"):
        for path in (PACKAGE.parent / folder).rglob("*.py"):
            name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
            sources[name] = path.read_text("utf-8")
    TopologicalSorter(graph(sources)).prepare()


@pytest.mark.parametrize("second", ["from a import x", "def f():\n    import a", "from a.c import y"])
def test_a_planted_circle_is_caught(second):
    with pytest.raises(CycleError):
        TopologicalSorter(graph({"a": "import b", "b": second, "a.c": "import b"})).prepare()
    typed = "if TYPE_CHECKING:\n    import a"
    TopologicalSorter(graph({"a": "import b", "b": typed})).prepare()


@pytest.mark.parametrize("path", MODULES)
def test_no_file_is_longer_than_300_lines(path):
    assert len((PACKAGE / path).read_text("utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", MODULES)
def test_imports_run_down_only(path):
    assert bad_imports(path, (PACKAGE / path).read_text("utf-8")) == []


@pytest.mark.parametrize("path", [m for m in MODULES if not m.startswith("cli/")])
def test_only_the_command_line_configures_jax(path):
    assert sets_jax(path, (PACKAGE / path).read_text("utf-8")) == []


@pytest.mark.parametrize("path", [m for m in MODULES if m.startswith("ladder/")])
def test_the_table_is_plain_numpy(path):
    tree = ast.parse((PACKAGE / path).read_text("utf-8"))
    found = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    found |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert not [m for m in found if m.split(".")[0] == "jax" or m == "flpjax.numerics"]


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("laws/law.py", "from flpjax.fitting.point import fit", "laws/law.py:1: laws (layer 3) imports fitting"),
        ("laws/law.py", "import flpjax.engine.batch as b", "laws (layer 3) imports engine (layer 3)"),
        ("readers/csv.py", "from flpjax import laws", "readers (layer 3) imports laws (layer 3)"),
        (
            "engine/batch.py",
            "def f():\n    from flpjax.readers import csv",
            "engine/batch.py:2: engine (layer 3) imports",
        ),
        ("ladder/table.py", "from ..methods.flp import FLP", "ladder (layer 2) imports methods (layer 4)"),
        ("ladder/table.py", "from .. import results", "ladder (layer 2) imports results (layer 6)"),
        ("errors.py", "from .ladder import table", "errors (layer 1) imports ladder (layer 2)"),
        ("results/mix.py", "from flpjax import read_runs", "results (layer 6) imports __init__ (layer 9)"),
        ("cli/app.py", "import flpjax", "cli (layer 7) imports __init__ (layer 9)"),
        ("attic/old.py", "", "attic/old.py: 'attic' is in no layer"),
    ],
)
def test_a_planted_import_is_caught(path, source, message):
    (found,) = bad_imports(path, source)
    assert message in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("laws/law.py", "from flpjax.ladder.features import Features\nfrom flpjax.numerics import require_x64"),
        ("laws/law.py", "from flpjax.laws.law import Law\nfrom . import law\nfrom .law import Law"),
        ("cli/app.py", "from flpjax.results import forecast\nfrom ..errors import InputError"),
        ("__init__.py", "from flpjax.cli.app import main\nfrom .ladder.table import Runs"),
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
