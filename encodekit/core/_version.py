"""The version of encodekit."""

__version__ = "0.1.0"
