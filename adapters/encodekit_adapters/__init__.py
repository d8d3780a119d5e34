"""Adapters for encodekit: one module per outside world, each loaded only when used."""
