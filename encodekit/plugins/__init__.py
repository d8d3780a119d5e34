"""The plugin host: hooks, records and the registry."""
