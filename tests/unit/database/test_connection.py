"""The location of a database: which one an address means, and how it is shown."""

from pathlib import Path

import pytest

from floridify_batch.database.connection import Place, database_in


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (None, None),
        ("mongodb://host", None),
        ("mongodb://host/", None),
        ("mongodb://host/mydict", "mydict"),
        ("mongodb://host/?retryWrites=true", None),
        ("mongodb+srv://user:secret@cluster.example.net/words?retryWrites=true&w=majority", "words"),
        ("mongodb://user:p%2Fw@one:27017,two:27018/my%20dict", "my dict"),
        ("mongodb://user:secret@host/admin", None),
        ("mongodb://host/mydict?appName=me@home", "mydict"),
    ],
)
def test_the_database_of_an_address(url: str | None, name: str | None) -> None:
    """An address's path names the database, unless it names the one in which the user is authenticated."""
    assert database_in(url) == name


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        (Place("mongodb://user:secret@host:27017/mydict?tls=true", "mydict"), "mydict at host:27017"),
        (Place("mongodb+srv://cluster.example.net", "words"), "words at cluster.example.net"),
        (Place(None, "floridify", Path("/lists")), "floridify in /lists/batch-synth-mongodb"),
    ],
)
def test_shown(place: Place, shown: str) -> None:
    """A database is shown with its server, and without the user, the password or the options of its address."""
    assert str(place) == shown
