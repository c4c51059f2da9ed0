"""The digest of a value: by it a request and a stamp know later whether a stored value has changed."""

from hashlib import blake2b
from typing import Any

import orjson

EMPTY_DIGEST = "0" * 8
"""The digest of a value that is absent or empty."""

_FORM = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def value_digest(value: Any) -> str:
    """A short digest of a value as the database returns it; a list is one value, and its order counts."""
    if not value:
        return EMPTY_DIGEST
    return blake2b(orjson.dumps(value, default=str, option=_FORM), digest_size=len(EMPTY_DIGEST) // 2).hexdigest()
