"""What would be released: wheel and sdist hold what they should and nothing else, and the wheel runs off line."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from flpjax.version import __version__

ROOT = Path(__file__).parents[1]
BESIDE_THE_CODE = {"py.typed", "style.css", "hyperpriors.toml", "ladder.csv", "ladder.md", "optima.json"}
LARGEST = 4_000_000  # bytes of wheel or sdist, to be fetched in a moment
NO_NETWORK = """
import socket

def connect(*_):
    raise RuntimeError("a network was asked for")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = connect
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist, as ``pip`` and ``python -m build`` make them."""
    folder = tmp_path_factory.mktemp("dist")
    return [Path(next(kind(str(ROOT)).build(directory=str(folder)))) for kind in (WheelBuilder, SdistBuilder)]


def sources(*names):
    """Files that a checkout holds in folders, without what running it leaves there."""
    return {
        path.relative_to(ROOT).as_posix()
        for name in names
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(f"flpjax-{__version__}.dist-info/METADATA").decode()
    about = {name for name in names if name.startswith(f"flpjax-{__version__}.dist-info/")}
    assert names - about == sources("flpjax")
    assert {Path(name).name for name in about} == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "LICENSE"}
    others = {name for name in names - about if not name.endswith(".py")}
    registry = {name for name in others if re.fullmatch(r"flpjax/readers/registry/[\w-]+\.txt", name)}
    assert {Path(name).name for name in others - registry} == BESIDE_THE_CODE
    assert "Requires-Python: >=3.11" in metadata
    assert built[0].stat().st_size < LARGEST


def test_the_sdist_holds_the_checkout_with_its_tests(built):
    with tarfile.open(built[1]) as sdist:
        names = {name.removeprefix(f"flpjax-{__version__}/") for name in sdist.getnames()}
    folders = ("flpjax", "benchmarks", "tests", "notebooks", "docs")
    inside = {name for name in names if name.startswith(tuple(f"{folder}/" for folder in folders))}
    assert inside == sources(*folders)
    about = "CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE PKG-INFO README.md mkdocs.yml pyproject.toml .gitignore"
    assert names - inside == set(about.split())
    assert built[1].stat().st_size < LARGEST


def test_one_version_everywhere():
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## \[(\d[\d.]*)\] - \d{4}-\d{2}-\d{2}$", changes, re.MULTILINE)
    assert released[0] == __version__
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert "version" not in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_wheel_runs_the_demo_without_a_network(built, tmp_path):
    """A full demo from a wheel in a fresh environment is the README's first command, which CI runs."""
    site = tmp_path / "site"
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(site)
    (site / "sitecustomize.py").write_text(NO_NETWORK)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "flpjax", "demo", "--method", "fp", "--draws", "3", "--json", "demo.json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"mean \|error\| of scores: \d", done.stdout)
    assert f'"made_by": "flpjax {__version__}"' in (tmp_path / "demo.json").read_text("utf-8")
