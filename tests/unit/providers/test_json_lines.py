"""JSON Lines: answer files whose objects are not one to a line are rewritten, and nothing in them is lost."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from floridify_batch.providers.json_lines import on_lines, put_on_lines
from floridify_batch.providers.transfer import Completeness, completeness

FIRST, SECOND, THIRD = (
    {"custom_id": name, "response": {"body": {"choices": [{"message": {"content": '{"x":[{"y":1},{"y":2}]}'}}, {}]}}}
    for name in "abc"
)


def dumped(*answers: object, indent: int | None = None, between: str = "\n") -> bytes:
    return between.join(json.dumps(each, indent=indent) for each in answers).encode()


def names(content: bytes) -> list[str | None]:
    """The ids of the lines of a file; None for a line that is no JSON, or without one."""
    found: list[str | None] = []
    for line in on_lines(content.splitlines(keepends=True)):
        try:
            found.append(json.loads(line).get("custom_id"))
        except ValueError:
            found.append(None)
    return found


@pytest.mark.parametrize(
    "content",
    [
        dumped(FIRST, SECOND, THIRD, indent=2),
        dumped(FIRST, SECOND, THIRD, indent=0),
        dumped(FIRST, SECOND, THIRD, indent=1).replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + dumped(FIRST, SECOND, THIRD, indent=1),
        dumped(FIRST, SECOND, THIRD, between=" "),
        dumped(FIRST, SECOND, THIRD, between="\r"),
        dumped(FIRST, SECOND, THIRD, between=",\n"),
        dumped([FIRST, SECOND, THIRD]),
        dumped([FIRST, SECOND, THIRD], indent=4),
        dumped(FIRST, SECOND) + b"\n" + dumped(THIRD, indent=2),
    ],
)
def test_layouts(content: bytes) -> None:
    """Indented objects, several on a line, and arrays become one object to a line."""
    assert names(content) == ["a", "b", "c"]


@pytest.mark.parametrize("cut", [20, 60, 90])
@pytest.mark.parametrize("layout", [None, 0, 2])
@pytest.mark.parametrize("next_layout", [None, 0, 2])
def test_behind_damage(cut: int, layout: int | None, next_layout: int | None) -> None:
    """An object that is cut off costs itself, and none of those behind it, in whatever layout."""
    damaged = dumped(FIRST, indent=layout)[:cut] + b"\n"
    *broken, second, third = names(damaged + damaged + dumped(SECOND, THIRD, indent=next_layout))
    assert (second, third, set(broken)) == ("b", "c", {None})
    assert len(broken) == 2 or layout == 0  # without indentation, an inner object may begin the next answer


def test_damaged_lines() -> None:
    """Each of several objects that are cut off is a line of its own: it may be an answer."""
    assert names(b'{"id"\n{"id":"r","cus\n{\n"id":\n') == [None, None, None]


@pytest.mark.parametrize("lines", range(1, 16))
def test_several_behind_damage(lines: int) -> None:
    """Objects on one line are found behind a cut one and a page of HTML, too."""
    cut = dumped(FIRST, indent=0).splitlines(keepends=True)[:lines]
    content = b"".join([*cut, b"<html>{x}</html>\n", dumped(SECOND, THIRD, between=""), b"\n"])
    assert names(content)[-2:] == ["b", "c"]


@pytest.mark.parametrize("lines", range(1, 16))
def test_a_comma_behind_damage(lines: int) -> None:
    """An object behind a cut one is read without the comma that separates it from the next one."""
    cut = dumped(FIRST, indent=0).splitlines(keepends=True)[:lines]
    content = b"".join([*cut, dumped(SECOND, THIRD, between=",\n"), b"\n"])
    assert names(content)[-2:] == ["b", "c"]


def test_the_end_of_a_file() -> None:
    """An indented object that the file ends within has no line end: the file is short."""
    *_, last = on_lines((dumped(FIRST, indent=1) + b"\n" + dumped(SECOND, indent=1)[:70] + b"\n").splitlines(True))
    assert not last.endswith(b"\n")


@pytest.mark.parametrize(
    "content",
    [
        dumped(FIRST, SECOND) + b"\n",
        b"\xef\xbb\xbf" + dumped(FIRST, SECOND).replace(b"\n", b"\r\n"),
        dumped(FIRST) + b"\n" + dumped(SECOND)[:50] + b"\n",
        dumped(FIRST) + b"\n" + dumped(SECOND)[:50],
        b"<html>\n<body>\n",
    ],
)
def test_lines_stay_as_they_are(tmp_path: Path, content: bytes) -> None:
    """Lines of one object, cut lines and other text keep their bytes."""
    path = tmp_path / "output.jsonl"
    path.write_bytes(content)
    put_on_lines(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"{\n" * 30_000, b'{"custom_id":' * 30_000, b'{"custom_id":\n' * 30_000 + b"}\n" * 30_000]
)
def test_endless_objects(content: bytes) -> None:
    """A file of nothing but opened objects takes linear time."""
    assert 0 < len(list(on_lines(content.splitlines(keepends=True)))) <= 30_000


@pytest.mark.parametrize("encoded", [gzip.compress, lambda content: content.decode().encode("utf-16")])
@pytest.mark.parametrize("indent", [None, 1])
def test_encoded_files(tmp_path: Path, encoded: Callable[[bytes], bytes], indent: int | None) -> None:
    """A file that is compressed, or in UTF-16, is read like any other."""
    path = tmp_path / "output.jsonl"
    path.write_bytes(encoded(dumped(FIRST, SECOND, indent=indent)))
    put_on_lines(path)
    assert [json.loads(line)["custom_id"] for line in path.read_bytes().splitlines()] == ["a", "b"]


def test_a_damaged_start(tmp_path: Path) -> None:
    """A file that begins with the mark of UTF-16, and is in UTF-8, is read as UTF-8."""
    path = tmp_path / "answers.jsonl"
    path.write_bytes(b"\xff\xfe\n" + dumped(FIRST, SECOND))
    put_on_lines(path)
    assert names(path.read_bytes())[-2:] == ["a", "b"]


def test_a_damaged_archive(tmp_path: Path) -> None:
    """A compressed file that is cut off stays as it is, and is not taken for answers."""
    path = tmp_path / "output.jsonl"
    path.write_bytes(cut := gzip.compress(dumped(FIRST, SECOND))[:-20])
    put_on_lines(path)
    assert path.read_bytes() == cut
    assert completeness([path], 2) is Completeness.FOREIGN
