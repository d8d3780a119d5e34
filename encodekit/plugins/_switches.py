"""Which plugins a user has switched off, kept in a file of their own."""

import json
import os
from pathlib import Path

from encodekit.core import atomic_write
from encodekit.plugins._records import name_key


class SwitchesError(ValueError):
    """The file that says which plugins are off cannot be read."""


def switches_file() -> Path:
    """Return the file: ``plugins.json`` in ``$ENCODEKIT_CONFIG``, or in the user's settings."""
    folder = os.environ.get("ENCODEKIT_CONFIG")
    if not folder:
        from platformdirs import user_config_dir

        folder = user_config_dir("encodekit")
    return Path(os.path.expanduser(folder)) / "plugins.json"  # noqa: PTH111 (Path's raises)


def switched_off() -> frozenset[str]:
    """Return the keys of the names of the plugins that are off.

    Raises
    ------
    SwitchesError
        If the file is not what `switch` writes.
    """
    path = switches_file()
    try:
        return frozenset(name_key(name) for name in json.loads(path.read_text())["disabled"])
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SwitchesError(
            f"{path} cannot be read ({type(error).__name__}), so no plugin counts as switched "
            "off: delete it, and disable plugins anew"
        ) from error


def switch(name: str, on: bool) -> bool:
    """Switch a plugin on or off for every later process; tell whether that changed anything."""
    off = switched_off()
    changed = off - {name_key(name)} if on else off | {name_key(name)}
    path = switches_file()
    if changed != off:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, json.dumps({"disabled": sorted(changed)}, indent=1).encode())
    return changed != off
