"""``python -m flpjax``."""

from flpjax.faces.cli import main

main()
