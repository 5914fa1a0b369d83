from __future__ import annotations

from hub.api.hf import render
from hub.api.structs import encoded
from hub.gitstore import Entry
from hub.gitstore.values import Pointer


class TestRowsOfATree:
    def test_tell_the_size_of_a_large_file_and_that_of_its_pointer(self) -> None:
        """`size` is the object's. A client that took the pointer's would fetch the object's first bytes."""
        entry = Entry("w.bin", "file", "ab" * 20, size=132, pointer=Pointer("cd" * 32, 2_500_000))
        row = render._entry(entry, None, {})
        assert encoded(row).decode() == (
            f'{{"type":"file","oid":"{"ab" * 20}","size":2500000,"path":"w.bin",'
            f'"lfs":{{"oid":"{"cd" * 32}","size":2500000,"pointerSize":132}}}}'
        )
