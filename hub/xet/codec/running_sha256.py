"""A SHA-256 whose unfinished state is bytes, so that another process can continue it.

Python's hashlib does not give its state away. libcrypto's `SHA256_CTX` is a plain struct that has been the
same since OpenSSL 0.9.8, and its functions use the same instructions of the processor as hashlib. If the
library or its functions are missing, `is_available` is false and callers hash without stored states.
"""

from __future__ import annotations

import ctypes
import hashlib
import sys
from functools import cache

import numpy as np

from hub.xet.codec.compression import Bytes

LIBRARY = "libcrypto.so.3"
DIGEST_BYTES = 32
# Eight words of state, the length in two, a block of 64 bytes, and two numbers.
STATE_BYTES = 112


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(LIBRARY)
        functions = (library.SHA256_Init, library.SHA256_Update, library.SHA256_Final)
    except (OSError, AttributeError):
        return None
    first, update, last = functions
    first.argtypes = [ctypes.c_char_p]
    update.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t]
    last.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    return library


@cache
def is_available() -> bool:
    """True if this machine's libcrypto gives the digests of hashlib, also from a stored state."""
    if _library() is None or sys.byteorder != "little":
        return False
    sample = bytes(range(256)) * 3
    first = RunningSha256()
    first.update(sample[:100])
    second = RunningSha256(first.state())
    second.update(memoryview(sample)[100:])
    return second.digest() == hashlib.sha256(sample).digest()


class RunningSha256:
    """A SHA-256 from its beginning, or from the `state()` of another."""

    def __init__(self, state: bytes | None = None) -> None:
        """Raises ValueError for a state of another length."""
        library = _library()
        if library is None:
            raise RuntimeError("Ask is_available first.")
        self._library = library
        # The buffer is longer than the struct, in case a build of the library pads it.
        self._context = ctypes.create_string_buffer(2 * STATE_BYTES)
        if state is None:
            library.SHA256_Init(self._context)
        elif len(state) == STATE_BYTES:
            ctypes.memmove(self._context, state, STATE_BYTES)
        else:
            raise ValueError(f"A state has {STATE_BYTES} bytes, not {len(state)}.")

    def update(self, data: Bytes) -> None:
        """Add bytes. Other threads run meanwhile."""
        if size := len(data):
            address = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
            self._library.SHA256_Update(self._context, address, size)

    def state(self) -> bytes:
        """The state so far."""
        return self._context.raw[:STATE_BYTES]

    def digest(self) -> bytes:
        """The digest of what was added so far; more may be added after it."""
        copy = ctypes.create_string_buffer(self._context.raw, 2 * STATE_BYTES)
        out = ctypes.create_string_buffer(DIGEST_BYTES)
        self._library.SHA256_Final(out, copy)
        return out.raw
