"""What the first call costs, tracing and compiling: with an empty and with a filled cache, each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = """
import sys, jax
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
import numpy as np
from benchmarks.chinchilla import points, start_grid
from benchmarks.engine.ours import fit
print(fit(start_grid()[:64], np.ones((1, len(points().log_loss))), runs=1).compile_s)
"""


def cold() -> dict[str, float]:
    """Seconds of the first call of the Chinchilla fit less those of the second."""
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # the parent holds the rest of a GPU
    with tempfile.TemporaryDirectory() as folder:
        taken = []
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, folder],
                env=environment,
                cwd=Path(__file__).parents[2],
                capture_output=True,
                text=True,
                check=True,
            )
            taken.append(float(done.stdout))
    return {"without_cache_s": taken[0], "with_cache_s": taken[1]}
