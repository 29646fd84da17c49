"""Floor 3: files in, Runs out."""
