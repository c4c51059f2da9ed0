"""Private, synced and atomically replaced files."""

import os
from pathlib import Path
from typing import IO


def private_file(path: Path) -> IO[bytes]:
    """A new file that only its owner can read, open for writing."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb", buffering=1 << 16)


def sync(file: IO[bytes]) -> None:
    """Bring a file's content to the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk; a system that cannot sync folders (Windows) has no such moment to guard."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Give a file a new content that is there whole or not at all, whenever the power goes."""
    partial = path.with_name(path.name + ".partial")
    with private_file(partial) as out:
        out.write(content)
        sync(out)
    partial.replace(path)
    sync_folder(path.parent)
