"""A limit on the files of a form.

Django reads a whole form, its files included, before any view runs: the check of the form's CSRF token needs
it. So a limit in a view comes too late: strangers could fill the disk.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from foundation import temporary_files


class BoundedUpload(FileUploadHandler):
    """Stops reading a form whose files have too many bytes together. The handlers after it store them."""

    def __init__(self, request: HttpRequest | None = None, bytes_max: int | None = None) -> None:
        """`bytes_max` None: DATA_UPLOAD_MAX_MEMORY_SIZE, the limit for what is no file."""
        super().__init__(request)
        self.bytes_left = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if bytes_max is None else bytes_max

    def receive_data_chunk(self, raw_data: bytes, start: int) -> Any:
        """Raises: RequestDataTooBig, which is answered by 400."""
        self.bytes_left -= len(raw_data)
        if self.bytes_left < 0:
            raise RequestDataTooBig("The files of the form have too many bytes.")
        return raw_data

    def file_complete(self, file_size: int) -> Any:
        return None


class _LargeFiles(BoundedUpload):
    """Stores the files in TEMP_ROOT, without names: nothing is left of them when the process ends."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        stored = temporary_files.nameless("form-")  # Django closes it
        self.file: UploadedFile[Any] = UploadedFile(stored, self.file_name, self.content_type)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> Any:
        self.file.write(super().receive_data_chunk(raw_data, start))

    def file_complete(self, file_size: int) -> Any:
        self.file.seek(0)
        self.file.size = file_size
        return self.file

    def upload_interrupted(self) -> None:
        if hasattr(self, "file"):
            self.file.close()


def take_large_files(request: HttpRequest, *, bytes_max: int) -> None:
    """Let this form have files of so many bytes together. Call it once the caller's rights are known, and
    before anything has read the form.
    """
    request.upload_handlers = [_LargeFiles(request, bytes_max)]
