"""The rows of a review file: their columns, and the key by which a row is found in the database again."""

from dataclasses import astuple, dataclass
from typing import NamedTuple, Self

from floridify_batch.components.change import Collection
from floridify_batch.review.field import BY_NAME, ReviewField
from floridify_batch.words.entry import DocId, is_id

COLUMNS = (
    *("row ID", "word", "sense", "field", "value", "written by", "doubts", "score"),
    *("decision", "edited value"),
)
"""The columns; the last two are for the person."""

LONGEST_CELL = 32_767
"""The most characters of a cell in Excel."""

KEY, DECISION, EDITED = COLUMNS[0], COLUMNS[-2], COLUMNS[-1]

_HOLDERS = {"definitions": Collection.DEFINITIONS, "entries": Collection.ENTRIES}
_NAMES = {collection: name for name, collection in _HOLDERS.items()}


def is_key_part(identity: str) -> bool:
    """Whether an id can be a part of a row's key: any other text could have slashes."""
    return is_id(identity, any_case=True)


class RowKey(NamedTuple):
    """The key of a row: the holder of a field, the linked document if it has one, and the digest of the value.

    The digest is in the key, since a spreadsheet may change a cell of digits, and a person the value beside it.
    """

    collection: Collection
    holder: DocId
    field: ReviewField
    place: DocId | None
    digest: str

    def __str__(self) -> str:
        """The written form."""
        place = [self.place] if self.place else []
        return "/".join((_NAMES[self.collection], self.holder, self.field.name, *place, self.digest))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """A key in its written form; None for any other text."""
        name, _, rest = text.strip().partition("/")
        holder, _, rest = rest.partition("/")
        title, _, rest = rest.partition("/")
        place, _, digest = rest.rpartition("/")
        collection = _HOLDERS.get(name)
        field = BY_NAME.get((collection, title)) if collection else None
        if collection is None or field is None or not holder or not digest or bool(place) != bool(field.linked):
            return None
        if not all(map(is_key_part, filter(None, (holder, place)))):
            return None
        return cls(collection, DocId(holder), field, DocId(place) if place else None, digest)


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row as it is written, in the order of the columns."""

    key: str
    word: str
    sense: str
    field: str
    value: str
    written_by: str
    doubts: str
    score: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of all columns, with those for the person empty."""
        return (*astuple(self), "", "")
