"""Ridge regression for encoding models."""
