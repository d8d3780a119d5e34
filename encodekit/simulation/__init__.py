"""Spoken stories and the simulated study."""
