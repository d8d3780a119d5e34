"""The demo: an experiment file that ships, the command that runs it, and its report."""
