"""Floridify's own configuration file, so that its users need not say twice where things are."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from floridify_batch.errors import UsageError


@dataclass(frozen=True, slots=True)
class FloridifyConfig:
    """What `auth/config.toml` says of the service and the database; None where it says nothing."""

    api_key: str | None = None
    model: str | None = None
    mongo_url: str | None = None
    database: str | None = None


def read_config(path: Path | None) -> FloridifyConfig:
    """Read the file, if there is one to read. Raises `UsageError` where it cannot be, without showing what is in it."""
    if path is None:
        return FloridifyConfig()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise UsageError(f"{path} is no TOML file; give Floridify's auth/config.toml.") from None
    return FloridifyConfig(
        api_key=_text(data, "openai", "api_key"),
        model=_text(data, "openai", "model"),
        mongo_url=_text(data, "database", "runtime_url"),
        database=_text(data, "database", "name"),
    )


def _text(data: dict[str, Any], section: str, name: str) -> str | None:
    found = data.get(section)
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) and value else None
