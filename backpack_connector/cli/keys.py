"""Find the API key of a command: in the environment, else in the file that `backpack config set` writes.

The file can be read by its owner alone, and no command shows the secret.
"""

import json
import os
import stat
import tempfile
from pathlib import Path

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import Credentials

API_KEY_VARIABLE, SECRET_KEY_VARIABLE = "BACKPACK_API_KEY", "BACKPACK_SECRET_KEY"
MISSING = (
    "API credentials are not configured. Try: backpack config set; "
    f"or set {API_KEY_VARIABLE} and {SECRET_KEY_VARIABLE} in the environment."
)
OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SHOWN_CHARACTERS = 4


def path() -> Path:
    """Return where the file is, or would be."""
    base = os.environ.get("XDG_CONFIG_HOME", "").strip()
    return (Path(base) if base else Path.home() / ".config") / "backpack" / "credentials.json"


def from_environment() -> tuple[str, str] | None:
    """Return key and secret of the environment, or None.

    Raises:   ConfigurationError when only one of them is set.
    """
    key, secret = (os.environ.get(name, "").strip() for name in (API_KEY_VARIABLE, SECRET_KEY_VARIABLE))
    if bool(key) != bool(secret):
        raise ConfigurationError(f"Set both {API_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}, or neither.")
    return (key, secret) if key else None


def from_file() -> tuple[str, str] | None:
    """Return key and secret of the file, or None when there is none.

    Raises:   ConfigurationError when others can read it, or it is not what `save` writes.
    """
    where = path()
    try:
        if os.name == "posix" and where.stat().st_mode & _OTHERS:
            raise ConfigurationError(f"Others can read {where}; run: chmod 600 {where}")
        content = json.loads(where.read_text(encoding="utf-8"))
        return str(content["api_key"]), str(content["secret_key"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{where} cannot be read ({type(error).__name__}). Try: backpack config set") from None


def save(api_key: str, secret: str) -> Credentials:
    """Check that key and secret belong together, and keep them.

    Raises:   ConfigurationError for keys that are none, or a folder that cannot be written.
    """
    credentials = Credentials(api_key, secret)
    where = path()
    text = json.dumps({"api_key": credentials.api_key, "secret_key": "".join(secret.split())})
    try:
        where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, beside = tempfile.mkstemp(dir=where.parent)  # readable by its owner alone from the beginning
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(beside).chmod(OWNER_ONLY)
        Path(beside).replace(where)
    except OSError as error:
        raise ConfigurationError(f"{where} cannot be written ({error.strerror or type(error).__name__}).") from None
    return credentials


def forget() -> bool:
    """Remove the file, and tell whether there was one."""
    try:
        path().unlink()
    except FileNotFoundError:
        return False
    return True


def found() -> tuple[Credentials, str] | None:
    """Return the credentials and where they come from, or None.

    Raises:   ConfigurationError when they are incomplete, malformed or do not belong together.
    """
    pair = from_environment()
    if pair is not None:
        return Credentials(*pair), "the environment"
    pair = from_file()
    return None if pair is None else (Credentials(*pair), str(path()))


def required() -> Credentials:
    """Return the credentials.

    Raises:   ConfigurationError saying how to configure them, when there are none.
    """
    known = found()
    if known is None:
        raise ConfigurationError(MISSING)
    return known[0]


def masked(text: str) -> str:
    """Return the two ends of a key."""
    return f"{text[:_SHOWN_CHARACTERS]}…{text[-_SHOWN_CHARACTERS:]}"
