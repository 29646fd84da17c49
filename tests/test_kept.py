"""Programs on disk: a process that finds one traces nothing, and what can't be told apart is not kept."""

import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from time import sleep

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flpjax import kept, numerics
from flpjax.kept import NotKeptError, Shelf, described, signature
from flpjax.laws.power_law import Chinchilla
from flpjax.numerics import compiled

TRACED = []
OWN = [0.0]
"""A number of each test's own: JAX's own cache, if there is one, has no program with it."""


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(numerics, "_shelf", Shelf(tmp_path))
    TRACED.clear()
    OWN[0] = float(int(uuid.uuid4()) % 100_003)
    return tmp_path


def process():
    """The function as another process has it, which knows no program and no trace yet."""

    def scaled(power, x):
        TRACED.append(power)
        return {"scaled": (jnp.abs(x["a"]) + OWN[0]) ** power, "same": x["a"]}

    scaled.__qualname__ = "scaled"
    return compiled(scaled, static_argnums=0)


def test_another_process_traces_nothing(shelf):
    x = {"a": np.arange(5.0)}
    first, second = (process()(2, x) for _ in range(2))
    assert TRACED == [2]
    for found in (first, second):
        np.testing.assert_allclose(found["scaled"], (x["a"] + OWN[0]) ** 2, rtol=1e-12)
        np.testing.assert_array_equal(found["same"], x["a"])


def test_other_configurations_shapes_and_kinds_are_other_programs(shelf):
    one = process()
    for power, x in ((2, np.ones(5)), (3, np.ones(5)), (2, np.ones(7)), (2, np.ones(5, np.float32)), (2, np.ones(5))):
        one(power, {"a": x})
    assert TRACED == [2, 3, 2, 2]
    assert len(list(shelf.glob("*.program"))) == 4


SOLVED = """
import sys
import jax
import jax.numpy as jnp
import numpy as np
from pathlib import Path
from flpjax import numerics
from flpjax.kept import Shelf

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", None)
numerics._shelf = Shelf(Path(sys.argv[1]))

@numerics.compiled
def solved(matrix, vector):
    return jnp.linalg.solve(matrix, vector)

print(np.asarray(solved(2.0 * np.eye(3), np.arange(3.0))).tolist())
"""


def test_another_process_finds_a_program_that_calls_lapack(tmp_path):
    """It called a function that nobody had looked up, and ended: any second fit of a law in a line did."""
    for found in range(2):
        assert len(list(tmp_path.glob("*.program"))) == found
        command = [sys.executable, "-c", SOLVED, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "[0.0, 0.5, 1.0]\n"), done.stderr


def test_threads_that_ask_at_once_get_one_program(shelf, monkeypatch):
    process()(2, {"a": np.arange(5.0)})  # kept: what threads find is read, not made
    read, begun = [], Barrier(4)

    def counted(self, path, own=Shelf._read):
        read.append(path)
        sleep(0.05)  # the others ask meanwhile
        return own(self, path)

    monkeypatch.setattr(Shelf, "_read", counted)
    program = process()

    def ask(_):
        begun.wait()
        return program(2, {"a": np.arange(5.0)})["same"]

    with ThreadPoolExecutor(4) as pool:
        for same in pool.map(ask, range(4)):
            np.testing.assert_array_equal(same, np.arange(5.0))
    assert len(read) == 1


def test_a_damaged_program_is_made_again(shelf):
    x = {"a": np.ones(11)}
    process()(2, x)
    (path,) = shelf.glob("*.program")
    path.write_bytes(b"?")
    np.testing.assert_allclose(process()(2, x)["scaled"], (1.0 + OWN[0]) ** 2)
    assert TRACED == [2, 2]


def test_changed_sources_are_other_programs(shelf, monkeypatch):
    x = {"a": np.ones(13)}
    first = process()
    first(2, x)
    before = first._program.__name__
    monkeypatch.setattr(kept, "_surroundings", lambda: "changed")
    monkeypatch.setattr(numerics, "_shelf", Shelf(shelf))
    changed = process()
    changed(2, x)
    assert TRACED == [2, 2]
    # its name is another: JAX's own cache, whose programs can't be written again, has none for it
    assert changed._program.__name__ != before


def test_what_is_being_traced_goes_the_usual_way(shelf):
    found = jax.vmap(lambda a: process()(2, {"a": a})["scaled"])(jnp.ones((3, 2)))
    np.testing.assert_allclose(found, (1.0 + OWN[0]) ** 2)
    assert not list(shelf.glob("*.program"))


def test_a_law_has_one_description_and_a_users_own_class_none():
    @dataclass(frozen=True)
    class Own:
        size: int = 2

    assert described(Chinchilla()) == described(Chinchilla()) != described(Chinchilla(centre_params=19.0))
    for value in (Own(), lambda x: x, object()):
        with pytest.raises(NotKeptError):
            described(value)
    with pytest.raises(NotKeptError):
        signature(jax.random.key(0))
