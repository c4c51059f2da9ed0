"""Packs as the stand-in service reads them: several numbered items in one prompt, each with an answer of its own."""

import re
from collections.abc import Iterator
from typing import Any

_TASK = re.compile(r"^.*numbered items follow.*$", re.MULTILINE)
"""The sentence before the items, where the prompt holds the instructions, too."""

_ITEM = re.compile(r"(\d+)\. ")


def item_schema(schema: Any) -> dict[str, Any] | None:
    """The schema of one answer in the schema of a pack; None for another schema."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or list(properties) != ["items"]:
        return None
    item = properties["items"].get("items", {})
    if "number" not in item.get("properties", {}):
        return None
    fields = {name: node for name, node in item["properties"].items() if name != "number"}
    return {**item, "properties": fields, "$defs": schema.get("$defs", {})}


def prompts_in(prompt: str) -> Iterator[str]:
    """The prompts that the items of a pack stand for: each with the text around all of them."""
    task = _TASK.search(prompt)
    head, after = (prompt[: task.start()].strip(), prompt[task.end() :]) if task else ("", prompt)
    blocks, items = after.strip().split("\n\n"), list[str]()
    for number, block in enumerate(blocks, 1):
        found = _ITEM.match(block)
        if found is None or int(found[1]) != number:
            break
        items.append(block[found.end() :])
    tail = "\n\n".join(blocks[len(items) :])
    for item in items:
        yield "\n".join(filter(None, (head, item, tail)))
