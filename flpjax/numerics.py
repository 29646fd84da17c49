"""What every floor needs to know about precision and random keys."""

from __future__ import annotations

import jax
import numpy as np
from jax import Array

from flpjax.errors import PrecisionError


def require_x64(what: str) -> None:
    """Refuse to go on in 32 bits: tolerances of a robust fit lie below what float32 resolves.

    flpjax never switches the precision itself; that is the program's decision.

    Args:
        what: The name of the caller, for the message.

    Raises:
        PrecisionError: JAX's ``jax_enable_x64`` is off.
    """
    if not jax.config.read("jax_enable_x64"):
        raise PrecisionError(
            f"{what} needs float64, and JAX is set to float32",
            remedy='Call jax.config.update("jax_enable_x64", True) when the program starts, or set JAX_ENABLE_X64=1',
        )


def generator(key: Array, *salt: int) -> np.random.Generator:
    """A NumPy generator seeded by a JAX key and a salt: small draws on the host need no compiled program.

    Args:
        key: A JAX random key.
        salt: What the draws are for; other salts give independent draws.
    """
    return np.random.default_rng([*np.asarray(jax.random.key_data(key)).ravel().tolist(), *salt])
