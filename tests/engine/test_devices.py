"""The answer is one, whatever computes it: devices, hosts, sizes of calls, and where lanes wait between rounds."""

import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from flpjax import numerics
from flpjax.engine import batch, host_rounds, resident
from flpjax.engine import lanes as lanes_
from flpjax.engine.settings import Status
from tests.engine import on_devices

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds; a call that waits for another process for ever is a failure


@pytest.fixture(scope="module", autouse=True)
def _optimised():
    """As users compile: the suite compiles without optimising, and then sums over a tile depend on its width."""

    def anew(disabled):
        jax.config.update("jax_disable_most_optimizations", disabled)
        numerics._compiler_options.cache_clear()
        for program in (lanes_.advance, lanes_.scout):
            vars(program).pop("_program", None)

    anew(False)
    yield
    anew(True)


@pytest.fixture(scope="module")
def alone(_optimised):
    """On one device, as this process has it."""
    found = on_devices.solutions()
    for solution in found.values():
        assert np.all(solution.status == Status.CONVERGED)
    return found


def start(out, chosen, virtual, *more):
    """A process with so many virtual devices, that writes its answer to ``out``."""
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={virtual}",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, str(Path(on_devices.__file__)), str(out), chosen, *more]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ends_well(*processes):
    try:
        for process in processes:
            said = process.communicate(timeout=PATIENCE)[0]
            assert process.returncode == 0, said
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()


# CPUs agree to 1e-10. An accelerator adds in an order that depends on the call, so that lanes end elsewhere in a flat
# optimum: there 1e-7 is promised, among its own calls and with CPUs.
SAME = 1e-10 if jax.default_backend() == "cpu" else 1e-7


def assert_same(path, alone):
    with np.load(path) as saved:
        for follow, solution in alone.items():
            np.testing.assert_array_equal(saved[f"{follow}/status"], solution.status)
            np.testing.assert_array_equal(saved[f"{follow}/agree"], solution.agree)
            for name in ("vector", "value"):
                ours = getattr(solution, name)
                np.testing.assert_allclose(saved[f"{follow}/{name}"], ours, rtol=SAME, atol=SAME, err_msg=name)


def test_devices_of_one_process(alone, tmp_path):
    """All eight, one of them, and two with a queue each, as accelerators have."""
    ends_well(start(tmp_path / "found.npz", "default,1,resident", 8))
    for chosen in ("default", "1", "resident"):
        assert_same(tmp_path / f"{chosen}-found.npz", alone)


def test_devices_of_two_processes(alone, tmp_path):
    """Four each: every process gets the whole answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    out = [tmp_path / f"{i}.npz" for i in range(2)]
    ends_well(*[start(path, "8", 4, coordinator, str(i), "2") for i, path in enumerate(out)])
    for path in out:
        assert_same(path.with_name(f"8-{path.name}"), alone)


def assert_equal(found, alone):
    for follow, solution in alone.items():
        for name in ("vector", "value", "status", "agree", "gradient", "condition"):
            got, expected = getattr(found[follow], name), getattr(solution, name)
            np.testing.assert_allclose(got, expected, rtol=SAME, atol=SAME, err_msg=f"{follow} {name}")
        for name, got, expected in zip(solution.starts._fields, found[follow].starts, solution.starts, strict=True):
            if name == "steps" and SAME > 1e-10:
                continue  # rounding decides whether one step more is taken to the same end
            np.testing.assert_allclose(got, expected, rtol=SAME, atol=SAME, err_msg=f"{follow} starts.{name}")


@pytest.mark.parametrize(("most", "least"), [(2048, 64), (16, 8)])
def test_lanes_that_stay_on_the_device(alone, monkeypatch, most, least):
    """As on an accelerator: calls shrink while lanes end, a fit may need several, each result finds its place."""
    sizes = set()

    def spy(task, tile, tables, lanes, fresh):
        sizes.add(len(lanes.draw))
        return lanes_.advance(task, tile, tables, lanes, fresh)

    for rounds in ("HostRounds", "Resident"):  # whichever this machine takes
        monkeypatch.setattr(batch, rounds, partial(on_devices.resident_on, (None,), most))
    monkeypatch.setattr(resident, "LEAST_CALL", least)
    monkeypatch.setattr(resident, "advance", spy)
    monkeypatch.setattr(resident, "CHOSEN_HERE", 100)  # so that the device chooses, too
    assert_equal(on_devices.solutions(), alone)
    assert (len(sizes) > 1) == (most >= resident.CALL_STEP * least)
    assert min(sizes) >= least
    assert max(sizes) <= most


@pytest.mark.parametrize(("tile", "call", "cores"), [(8, 1024, 3), (32, 256, 1), (32, 256, 7)])
def test_tiles_calls_and_threads_do_not_matter(alone, monkeypatch, tile, call, cores):
    monkeypatch.setattr(host_rounds, "CPU_TILE", tile)
    monkeypatch.setattr(host_rounds, "CPU_CALL", call)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert_equal(on_devices.solutions(), alone)
