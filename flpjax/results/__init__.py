"""Layer 6: Draws in, results out."""
