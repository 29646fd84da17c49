"""Floor 4: forms composed; compute in, losses and scores out."""
