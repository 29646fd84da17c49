"""One batch on devices that the command line names; its answer in a file. Run by ``test_devices.py``.

    python on_devices.py OUT DEVICES [COORDINATOR PROCESS PROCESSES]

``DEVICES`` is how many of all devices make the mesh, or "default", or "resident" for two whose fits stay on them as on
accelerators; several, with commas, are one batch each, and the file is OUT with the word before its name.
"""

from __future__ import annotations

import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh

from flpjax.engine import batch
from flpjax.engine.batch import Solution, solve
from flpjax.engine.devices import Devices
from flpjax.engine.gauss_newton import Task
from flpjax.engine.lanes import Starts, Tables
from flpjax.engine.resident import Resident
from flpjax.engine.settings import Settings

PROBLEMS, ROWS, DRAWS, STARTS, CORNER = 3, 29, 37, 23, 0.01
MANY = 61  # starts of a fit of which promising ones are followed


def residual(vector: Array, row: tuple[Array, Array]) -> Array:
    """A power law that levels off."""
    x, y = row
    return jnp.log(jnp.exp(vector[0]) + jnp.exp(vector[1] - jnp.exp(vector[2]) * x)) - y


def solutions(mesh: Mesh | None = None) -> dict[str, Solution]:
    """The same batches whatever the devices: more lanes than one call takes, and not a multiple of any mesh."""
    rng = np.random.default_rng(4)
    x = np.tile(np.linspace(-4.0, 4.0, ROWS), (PROBLEMS, 1))
    y = np.log(1.4 + np.exp(np.array([[0.3], [0.5], [0.1]]) - 0.2 * x)) + 0.004 * rng.standard_t(2, x.shape)
    counts = rng.multinomial(ROWS, np.full(ROWS, 1 / ROWS), DRAWS).astype(float)
    starts = np.array([0.2, 0.2, -1.5]) + 0.3 * rng.normal(size=(PROBLEMS, MANY, 3))
    found = {}
    for follow, count in (("all", STARTS), ("promising", MANY)):
        settings = Settings(follow=follow, mesh=mesh)
        weight, first = np.ones((PROBLEMS, ROWS)), starts[:, :count]
        found[follow] = solve(residual, (x, y), weight, counts, first, huber=CORNER, settings=settings)
    return found


def resident_on(own: tuple[Any, ...], most: int, task: Task, devices: Devices, tables: Tables, starts: Starts) -> Any:
    """What fits as on accelerators, on these CPUs; in place of what fits on a CPU."""
    return Resident(task, Devices(own, devices.processes), tables, starts, most=most, tile=8)


def save(path: str, found: dict[str, Solution]) -> None:
    """What identifies an answer."""
    names = ("vector", "value", "status", "agree", "gradient", "condition")
    np.savez(path, **{f"{follow}/{name}": getattr(s, name) for follow, s in found.items() for name in names})


def main(out: str, chosen: str, coordinator: str = "", process: str = "0", processes: str = "1") -> None:
    """See the module."""
    warnings.simplefilter("error")
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_numpy_rank_promotion", "raise")
    if coordinator:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(coordinator, int(processes), int(process))
    for devices in chosen.split(","):
        mesh = None if devices in ("default", "resident") else Mesh(np.asarray(jax.devices())[: int(devices)], ("x",))
        if devices == "resident":
            batch.HostRounds = partial(resident_on, tuple(jax.devices()[:2]), 512)  # type: ignore[assignment,misc]
        path = Path(out)
        save(str(path.with_name(f"{devices}-{path.name}")), solutions(mesh))


if __name__ == "__main__":
    main(*sys.argv[1:])
