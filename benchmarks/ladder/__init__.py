"""A ladder of our own: byte-level language models on mixtures of English and code, trained, measured, tabulated.

``python -m benchmarks.ladder --scale tiny`` runs all of it on two CPU cores; ``--scale full`` made the data set that
:func:`flpjax.datasets.ladder` reads. ``experiment.toml`` is the one configuration.
"""
