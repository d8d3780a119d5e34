"""What is raised where a plugin is not what it should be."""


class PluginError(Exception):
    """A plugin breaks the contract; the message says how."""
