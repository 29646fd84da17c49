"""The fast posterior of a table with many tasks: ``python -m benchmarks.start.many_tasks TABLE``."""

from __future__ import annotations

import sys
import time


def main() -> None:
    """Sample, and print how long that took after JAX had started."""
    from flpjax.cli.start import start_jax

    start_jax()
    import jax

    from flpjax import method, posterior, read_runs

    runs = read_runs(sys.argv[1])
    begun = time.perf_counter()
    draws = posterior(method("chinchilla+sigmoid"), runs, jax.random.key(0), method="laplace", draws=1000, strict=False)
    print(f"{len(draws)} draws of {len(runs.tasks)} tasks: {time.perf_counter() - begun:.2f} s")


if __name__ == "__main__":
    main()
