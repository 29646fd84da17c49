"""Layer 5: Runs and a method in, Draws out."""
