"""``python -m flpjax``, and the command ``flpjax``."""

from flpjax.faces import interrupt


def main() -> None:
    """Run the command line; Ctrl-C is heard while it is still being imported."""
    interrupt.watch()
    from flpjax.faces.cli import main as run

    run()


if __name__ == "__main__":
    main()
