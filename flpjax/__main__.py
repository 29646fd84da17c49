"""``python -m flpjax``, and the command ``flpjax``."""

import os

from flpjax.cli import ending

ONE_THREAD = "OPENBLAS_NUM_THREADS"
"""NumPy's matrices are small here: threads of its library would wait for each other for longer than they work."""


def main() -> None:
    """Run the command line; Ctrl-C is heard from the first import to the end."""
    ending.watch()
    os.environ.setdefault(ONE_THREAD, "1")  # before NumPy is imported
    from flpjax.cli.app import main as run

    try:
        run()
    except SystemExit as stop:
        ending.leave(stop.code if isinstance(stop.code, int) else 0)


if __name__ == "__main__":
    main()
