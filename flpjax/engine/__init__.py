"""Layer 3: batched solvers. They know pytrees and residuals, and no law."""
