"""Faults that are planted into clean ladders, to see whether they are named; and false alarms on the clean ones."""
