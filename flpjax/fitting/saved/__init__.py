"""Draws, and what is made of them, in files: JSON and arrays, versioned, checked, and never a pickle."""
