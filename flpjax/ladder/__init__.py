"""Floor 2: the table of checkpoints and its facts."""
