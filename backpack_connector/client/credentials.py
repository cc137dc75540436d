"""Find the user's API key: in the environment, else in a file that nobody else can read; and keep that file.

Rule 1: the environment goes first. One of its two variables without the other is an error, never a reason to look on.
Rule 2: the file has mode 0600 in a folder of mode 0700, and is replaced whole. One that others can read is refused.
Rule 3: no secret is shown. `masked` is what may be.
"""

import json
import os
import stat
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backpack_connector.protocol.errors import ConfigurationError
from backpack_connector.protocol.signing import Credentials

API_KEY_VARIABLE, SECRET_KEY_VARIABLE = "BACKPACK_API_KEY", "BACKPACK_SECRET_KEY"
ENVIRONMENT = "environment"

_FOLDER, _FILE = "backpack-connector", "credentials.json"
_API_KEY, _API_SECRET = "apiKey", "apiSecret"
_SHOWN_SIGNS = 4


@dataclass(frozen=True)
class Found:
    """A key pair, and where it was found."""

    credentials: Credentials
    origin: str
    """`environment`, or the path of the file."""


def credentials_file() -> Path:
    """Return where the file is, or would be: in the user's folder for settings."""
    if sys.platform == "win32":
        base = os.environ.get("APPDATA") or str(Path.home() / "AppData" / "Roaming")
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / _FOLDER / _FILE


def find_credentials(environment: Mapping[str, str] | None = None) -> Found | None:
    """Return the key pair that is set up, or None when there is none.

    Raises:   ConfigurationError with one sentence for half a pair, a pair that does not belong together, a file that
              cannot be read or that others can read.
    """
    variables = os.environ if environment is None else environment
    api_key, secret = (variables.get(name, "").strip() for name in (API_KEY_VARIABLE, SECRET_KEY_VARIABLE))
    if bool(api_key) != bool(secret):
        raise ConfigurationError(f"Set both {API_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}, or neither.")
    if api_key:
        return Found(Credentials(api_key, secret), ENVIRONMENT)
    path = credentials_file()
    content = _read(path)
    return None if content is None else Found(Credentials(*content), str(path))


def store_credentials(api_key: str, api_secret: str) -> Path:
    """Write a key pair into the file, in place of what was there, and return its path.

    Raises:   ConfigurationError for a pair that is malformed or does not belong together, or when writing fails.
    """
    Credentials(api_key, api_secret)
    path = credentials_file()
    text = json.dumps({_API_KEY: api_key.strip(), _API_SECRET: api_secret.strip()}) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
        # mkstemp makes the file 0600 from the beginning, so that there is no moment in which others could open it.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{_FILE}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
            raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from None
    return path


def clear_credentials() -> bool:
    """Delete the file, and tell whether there was one.

    Raises:   ConfigurationError when it cannot be deleted.
    """
    path = credentials_file()
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be deleted: {error.strerror or error}.") from None
    return True


def masked(api_key: str) -> str:
    """Return an API key as it may be shown: enough to tell two of them apart."""
    return f"{api_key[:_SHOWN_SIGNS]}...{api_key[-_SHOWN_SIGNS:]}"


def _read(path: Path) -> tuple[str, str] | None:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigurationError(f"{path} can be read by others: run chmod 600 on it, and consider new keys.")
            content = json.load(file)
        return str(content[_API_KEY]), str(content[_API_SECRET])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ConfigurationError:
        raise
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{path} does not hold a key pair; set the keys again.") from None
