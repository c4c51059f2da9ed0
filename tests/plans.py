"""Plans of one word, without the bundles in which a run prepares them."""

from collections.abc import Mapping, Sequence
from typing import Any

from floridify_batch.components.failure import Failure
from floridify_batch.components.requests import SynthesisRequest
from floridify_batch.pipeline.brief import Brief
from floridify_batch.pipeline.chunk import Group, Portion, joined
from floridify_batch.pipeline.plan import Failures, outlined
from floridify_batch.words.entry import Entry


def plan(entry: Entry, asked: Brief, failures: Failures) -> list[SynthesisRequest[Any]]:
    """Return a request for each component that is missing, ready, and has attempts left."""
    return [each.request(asked) for each in outlined(entry, asked, failures).openings()]


def group(ordinal: int, requests: Sequence[SynthesisRequest[Any]], failures: Mapping[str, Failure]) -> Group:
    """Return a word's requests as lines of a chunk, with those of its failures that are not retried."""
    return joined([Portion(ordinal, requests, failures)])
