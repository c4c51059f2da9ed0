"""What the service replied, or why that says nothing: whatever stands before it may answer in its place.

A gateway's page, an empty body or half of one come with status 200, too. The SDK takes them for what was asked for and
stumbles over them, here or there; to us they are no answer, and whoever asked looks again.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from floridify_batch.errors import ServiceUncertain
from floridify_batch.providers.connector import translated


class Unreadable(ServiceUncertain):
    """The service answered with something that is no reply to what it was asked."""


async def in_our_words[T](deed: Callable[[], Awaitable[T]]) -> T:
    """Ask the service; its errors are ours. Raises `Unreadable` for a reply that nobody can read."""
    import httpx2
    from openai import APIError

    try:
        return await deed()
    except APIError as error:
        raise translated(error) from error
    except httpx2.HTTPError as error:  # a body that breaks off while it is streamed reaches us unwrapped
        raise ServiceUncertain(f"The service broke off its answer ({error}).") from error
    except (AttributeError, TypeError, ValueError) as error:  # wherever the SDK, or we, relied on what is not there
        raise Unreadable(f"The service's answer is not what was asked for ({error}).") from error


def identity_of(reply: Any) -> str:
    """The id of what the service made or found. Raises `Unreadable` where it names none."""
    identity = getattr(reply, "id", None)
    if not isinstance(identity, str) or not identity:
        raise Unreadable("The service's answer names no id.")
    return identity
