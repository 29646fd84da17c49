"""``python -m flpjax``, and the command ``flpjax``."""

from flpjax.cli import ending


def main() -> None:
    """Run the command line; Ctrl-C is heard from the first import to the end."""
    ending.watch()
    from flpjax.cli.app import main as run

    try:
        run()
    except SystemExit as stop:
        ending.leave(stop.code if isinstance(stop.code, int) else 0)


if __name__ == "__main__":
    main()
