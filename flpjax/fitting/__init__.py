"""Floor 5: Runs and a predictor in, Draws out."""
