"""The version of the package, where everything may import it."""

__version__ = "0.2.0"


def installed(package: str) -> str:
    """The version of a package, without importing it."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
