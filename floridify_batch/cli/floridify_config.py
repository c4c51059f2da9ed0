"""Floridify's configuration file: API key, model, base URL and database, with the precedence of its own loader."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from floridify_batch.errors import UsageError

_DATABASE = "floridify"
"""The database of a file without its name, as in Floridify's loader, regardless of the address."""

_CERTIFICATES = ("mongodb-ca.pem", "rds-ca-2019-root.pem")
"""Certificate files beside the configuration: today's name, and that of 2025."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The machine that the file is read on, which decides between the addresses of a file of 2025."""

    production: bool = False
    docker: bool = False


@dataclass(frozen=True, slots=True)
class FloridifyConfig:
    """Service and database of a configuration file; unset values are None.

    `unusable` is an error message for a [database] section without an address that applies here. `tls_required` and
    the `certificate` hold for any address, as in Floridify, unless it has TLS options of its own.
    """

    api_key: str | None = None
    model: str | None = None
    base_url: str | None = None
    mongo_url: str | None = None
    database: str | None = None
    unusable: str | None = None
    tls_required: bool = False
    certificate: Path | None = None

    def mongo_url_or(self, given: str | None) -> str | None:
        """The given address, or that of the file; None where neither names a database.

        Raises `UsageError` rather than fall back to another database than the file's.
        """
        if given is None and self.unusable:
            raise UsageError(self.unusable)
        url = given or self.mongo_url
        return _with_tls(url, self.certificate, required=self.tls_required) if url else None


def read_config(path: Path | None, deployment: Deployment | None = None) -> FloridifyConfig:
    """Read a configuration file, if there is one. Raises `UsageError` without quoting its content."""
    if path is None:
        return FloridifyConfig()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise UsageError(f"{path} is not valid TOML; pass Floridify's auth/config.toml.") from None
    url = _address(data, deployment or Deployment())
    return FloridifyConfig(
        api_key=_text(data, "openai", "api_key"),
        model=_text(data, "openai", "model") or _text(data, "models", "openai_model"),
        base_url=_text(data, "openai", "base_url"),
        mongo_url=url,
        database=_text(data, "database", "name") or (_DATABASE if "database" in data else None),
        unusable=None if url else _missing_address(data, path, deployment or Deployment()),
        tls_required=_section(data, "database").get("runtime_tls_required") is True,
        certificate=next((path.parent / name for name in _CERTIFICATES if (path.parent / name).exists()), None),
    )


def _address(data: dict[str, Any], deployment: Deployment) -> str | None:
    """The address of the database: `runtime_url`, or in a file of 2025 that of the deployment."""
    if runtime := _text(data, "database", "runtime_url"):
        return runtime
    if deployment.production:
        return _text(data, "database", "production_url")
    url = _text(data, "database", "development_url")
    return url.replace("localhost:", "host.docker.internal:") if url and deployment.docker else url


def _missing_address(data: dict[str, Any], path: Path, deployment: Deployment) -> str | None:
    """The error message for a [database] section without an address that applies here."""
    if "database" not in data:
        return None
    legacy = "production_url" if deployment.production else "development_url"
    return (
        f"The section [database] of {path} has neither runtime_url nor {legacy}. Add the address of the database "
        "there, or pass --mongo-url (MONGODB_URL)."
    )


def _with_tls(url: str, certificate: Path | None, *, required: bool) -> str:
    """The address with the file's TLS settings, unless it has its own; `mongodb+srv` implies TLS."""
    options = {name.lower(): value.lower() for name, value in parse_qsl(url.partition("?")[2])}
    own = options.get("tls") or options.get("ssl") or ("true" if url.startswith("mongodb+srv:") else None)
    if own == "false" or not (own or required):
        return url
    added = [] if own else ["tls=true"]
    if certificate and "tlscafile" not in options:
        added.append(f"tlsCAFile={quote(str(certificate.absolute()))}")
    return _with_options(url, added)


def _with_options(url: str, added: list[str]) -> str:
    """An address with more options."""
    if not added:
        return url
    address, mark, query = url.partition("?")
    if not mark and "/" not in address.partition("://")[2]:
        address += "/"
    return f"{address}?{'&'.join([*([query] if query else []), *added])}"


def _section(data: dict[str, Any], section: str) -> dict[str, Any]:
    found = data.get(section)
    return found if isinstance(found, dict) else {}


def _text(data: dict[str, Any], section: str, name: str) -> str | None:
    value = _section(data, section).get(name)
    return value.strip() or None if isinstance(value, str) else None
