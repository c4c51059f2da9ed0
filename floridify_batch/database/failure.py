"""Errors of the database's driver as sentences for the user. Pure."""

from floridify_batch.errors import DatabaseUnreachable


def unreachable(error: Exception) -> DatabaseUnreachable:
    """The error that the server does not answer."""
    return DatabaseUnreachable(
        f"The database cannot be reached: {plain(error)}. Check --mongo-url (MONGODB_URL) and that the server runs."
    )


def plain(error: Exception) -> str:
    """A driver's message without the description of the topology at its end."""
    return str(error).split(", Timeout:")[0].split(" (configured timeouts:")[0].split(", full error:")[0].rstrip(".")
