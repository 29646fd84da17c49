"""Six downstream tasks of the ladder, made from validation documents: three of choice, three of exact match.

``build.py`` is the door and ``scoring.py`` marks the answers.
"""
