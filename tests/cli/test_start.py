"""Compiled programs that are kept: a damaged one is made again, a folder that can't be written costs one line."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import pytest

from flpjax.cli import start
from flpjax.errors import InputError

READING = "Error reading persistent compilation cache entry for 'jit_f': ValueError: incorrect header"
WRITING = "Error writing persistent compilation cache entry for 'jit_f': OSError: No space left on device"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of programs, with JAX's configuration as it was afterwards."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in (*names, "jax_persistent_cache_min_entry_size_bytes")}
    monkeypatch.setenv("FLPJAX_CACHE", str(tmp_path / "programs"))
    with warnings.catch_warnings():
        yield tmp_path / "programs"
    for name, value in before.items():
        jax.config.update(name, value)


def test_damaged_programs_are_removed_and_said_once(folder, capsys):
    start.start_jax()
    for name in ("jit_f-12-cache", "jit_f-34-cache", "jit_g-12-cache"):
        (folder / name).write_bytes(b"?")
    for _ in range(3):
        warnings.warn(READING, stacklevel=1)
        warnings.warn(WRITING, stacklevel=1)
    assert [p.name for p in folder.iterdir()] == ["jit_g-12-cache"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"a compiled program in {folder} was damaged: it is compiled again"


def test_other_warnings_are_shown_as_ever(folder, monkeypatch):
    shown = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: shown.append(str(message)))
    start.start_jax()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("something else", stacklevel=1)
    assert shown == ["something else"]


def test_a_folder_that_can_not_be_written_is_read_and_costs_one_line(folder, capsys, monkeypatch):
    def read_only(**_):
        raise OSError(30, "Read-only file system")

    folder.mkdir()
    monkeypatch.setattr(start.tempfile, "TemporaryFile", read_only)
    start.start_jax()
    assert jax.config.jax_compilation_cache_dir == str(folder)
    assert jax.config.jax_persistent_cache_min_compile_time_secs > 1e6, "nothing is tried to be kept"
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "compiled programs are not kept: [Errno 30] Read-only file system"


@pytest.mark.parametrize("error", [RuntimeError("Unable to initialize backend 'cuda': none\nmore"), AssertionError()])
def test_a_device_that_is_not_there_is_one_clear_error(folder, monkeypatch, error):
    def none():
        raise error

    monkeypatch.setattr(jax, "devices", none)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with pytest.raises(InputError, match=r"^JAX_PLATFORMS=cuda: JAX can't start a device: .*\. Leave JAX_PLATFORMS un"):
        start.start_jax()


PROGRAM = """
import os
from pathlib import Path
from flpjax.cli.start import start_jax
start_jax()
import jax
for turn in range(3):  # compiled and kept; damaged, compiled and kept again; read
    jax.clear_caches()
    assert float(jax.jit(lambda x: x + 1.0)(1.0)) == 2.0
    (program,) = Path(os.environ["FLPJAX_CACHE"]).glob("jit__lambda*-cache")
    print(len(program.read_bytes()))
    if turn == 0:
        program.write_bytes(program.read_bytes()[:99])
"""


def test_a_damaged_program_is_compiled_and_kept_again(tmp_path):
    environment = os.environ | {"FLPJAX_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment)
    sizes = [int(line) for line in done.stdout.splitlines()]
    assert sizes == pytest.approx([sizes[0]] * 3, rel=0.1)
    (line,) = done.stderr.splitlines()
    assert "was damaged: it is compiled again" in line


def test_no_backend_of_matplotlib_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    program = "from pathlib import Path; from flpjax.cli.session import check_picture; check_picture(Path('a.png'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(Path(tmp_path).iterdir())
