"""Atlases and region selectors."""
