"""Layer 4: laws composed; compute in, losses and scores out."""
