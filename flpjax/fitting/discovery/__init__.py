"""Formulas of scores, proposed, fitted and criticised in rounds."""
