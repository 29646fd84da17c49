"""One recipe against another: the factor in compute that the second is worth."""
