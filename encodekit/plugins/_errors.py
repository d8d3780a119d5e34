"""What is raised where a plugin is not what it should be, and how causes are told."""

import pluggy

from encodekit.core import class_of, message_of, shortened

_LONGEST = 500  # characters of a cause, so that no message fills the screen


class PluginError(Exception):
    """A plugin breaks the contract; the message says how."""


def cause_of(error: BaseException) -> str:
    """Return one line on what stopped a plugin, also where the error cannot be printed."""
    text = shortened(" ".join(message_of(error).split()), _LONGEST)
    if issubclass(type(error), PluginError | pluggy.PluginValidationError):
        return text
    return f"{class_of(error)}: {text}" if text else class_of(error)
