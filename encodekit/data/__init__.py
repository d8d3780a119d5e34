"""Stimuli, studies and the data contract."""
