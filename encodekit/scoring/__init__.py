"""Scores and noise ceilings."""
