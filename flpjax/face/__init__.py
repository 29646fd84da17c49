"""The short road in Python: a ladder, and answers that show themselves."""
