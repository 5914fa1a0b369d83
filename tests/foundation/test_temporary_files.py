"""Temporary files: where they are, and that nothing is left of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from foundation import temporary_files


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.TEMP_ROOT = tmp_path / "data" / "tmp"
    return tmp_path / "data" / "tmp"


def test_a_named_file_is_in_the_folder_until_the_block_ends(folder: Path) -> None:
    with temporary_files.named("lfs-") as file:
        file.write(b"abc")
        file.flush()
        path = Path(file.name)
        assert path.parent == folder
        assert path.name.startswith("lfs-")
        assert path.read_bytes() == b"abc"
    assert list(folder.iterdir()) == []


def test_a_named_file_that_was_renamed_stays(folder: Path) -> None:
    with temporary_files.named("lfs-") as file:
        Path(file.name).rename(folder / "kept")
    assert [path.name for path in folder.iterdir()] == ["kept"]


def test_a_named_file_is_removed_when_the_block_fails(folder: Path) -> None:
    with pytest.raises(ValueError, match="no"), temporary_files.named("lfs-"):
        raise ValueError("no")
    assert list(folder.iterdir()) == []


def test_files_without_names_are_not_listed(folder: Path) -> None:
    with temporary_files.nameless("git-") as file, temporary_files.spooled(2) as small:
        for written in (file, small):
            written.write(b"abc")
            written.seek(0)
            assert written.read() == b"abc"
        assert list(folder.iterdir()) == []
