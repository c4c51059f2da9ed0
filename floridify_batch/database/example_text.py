"""The texts of a definition's first examples, which judgements are about."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from floridify_batch.components.prompt_variable import MAX_JUDGED_EXAMPLES
from floridify_batch.words.entry import DocId, doc_id

type Document = Mapping[str, Any]


def wanted_examples(definitions: Iterable[Document]) -> list[Any]:
    """The ids of the definitions' first examples."""
    return [*chain(*map(_cited, definitions))]


def example_texts(definition: Document, texts: Mapping[DocId, str]) -> list[str]:
    """The texts of a definition's first examples, in their order; `texts` are those that were read."""
    found = (texts.get(doc_id(each), "") for each in _cited(definition)) if texts else ()
    return [each for each in found if each.strip()]


def _cited(definition: Document) -> Sequence[Any]:
    """The ids of a definition's first examples; none where the field is odd, which is reported elsewhere."""
    listed = definition.get("example_ids")
    return [each for each in listed if each][:MAX_JUDGED_EXAMPLES] if isinstance(listed, list) else ()
