"""The requests of a preflight: one per component, out of words that are planned in full. Pure."""

from collections.abc import Set

import orjson

from floridify_batch.pipeline.chunk import ChunkSize, Planned
from floridify_batch.pipeline.settlement import component_of


def preflight_part(word: Planned, lines: bytes, wanted: Set[str]) -> tuple[Planned, bytes, frozenset[str]]:
    """Return a word's first request of each component `wanted`, with their lines and components.

    The word's other requests are planned when these are answered. Tokens are a share by size.
    """
    found: set[str] = set()
    kept: list[tuple[bytes, bytes]] = []
    pairs = zip(lines.splitlines(keepends=True), word.expected.splitlines(keepends=True), strict=True)
    for line, expected in pairs:
        component = component_of(orjson.loads(expected)[1])
        if component in wanted and component not in found:
            found.add(component)
            kept.append((line, expected))
    requests, size = b"".join(line for line, _ in kept), word.size
    part = ChunkSize(
        words=1,
        requests=len(kept),
        bytes=len(requests),
        input_tokens=size.input_tokens * len(requests) // max(1, size.bytes),
        output_tokens=size.output_tokens * len(kept) // max(1, size.requests),
    )
    expected_lines = b"".join(expected for _, expected in kept)
    return word._replace(expected=expected_lines, size=part), requests, frozenset(found)
