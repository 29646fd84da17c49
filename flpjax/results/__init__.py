"""Floor 6: Draws in, results out."""
