"""Settings of the library: the only module outside cli/ that reads the environment."""

import os
from dataclasses import dataclass

DATABASE = "floridify"
"""Name of the database if none is given."""


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Address and name of a MongoDB database."""

    url: str
    name: str = DATABASE


def database_settings(ai: object) -> DatabaseSettings | None:
    """Return the database of a connector's `mongo_url` and `database` attributes, or of the environment.

    The environment variables are those of the command: BATCH_SYNTH_MONGO_URL (or MONGODB_URL) and BATCH_SYNTH_DATABASE.
    """
    url = getattr(ai, "mongo_url", None) or os.environ.get("BATCH_SYNTH_MONGO_URL") or os.environ.get("MONGODB_URL")
    name = getattr(ai, "database", None) or os.environ.get("BATCH_SYNTH_DATABASE") or DATABASE
    return DatabaseSettings(str(url), str(name)) if url else None
