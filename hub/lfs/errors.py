"""The refusals of this room."""

from django.utils.translation import gettext_lazy as _

from foundation.errors import Denied, Invalid, NotFound


class ObjectNotFound(NotFound):
    """Not stored, or not linked to the repository: the caller cannot tell the two apart."""

    code = "object_not_found"
    message = _("This repository has no LFS object {oid}.")


class HashMismatch(Invalid):
    code = "hash_mismatch"
    message = _("The bytes received hash to {actual}, not to {oid}. Nothing was stored.")


class SizeMismatch(Invalid):
    code = "size_mismatch"
    message = _("{actual} bytes were received, not {expected}. Nothing was stored.")


class InvalidOid(Invalid):
    code = "invalid_oid"
    message = _("An LFS oid has 64 hex digits in lower case; {oid} is not one.")


class InvalidSize(Invalid):
    code = "invalid_size"
    message = _("The size of an LFS object is a number of bytes from 0 to {limit}.")


class TooManyObjects(Invalid):
    code = "too_many_objects"
    message = _("A batch can contain at most {limit} objects; this one has {count}.")


class TooManyParts(Invalid):
    code = "too_many_parts"
    message = _("One response lists at most {limit} parts; request this object in another batch.")


class GrantRefused(Denied):
    """A signed address that was altered, has expired, or was made for something else."""

    code = "grant_refused"
    message = _("This URL was altered or has expired. Request a new one.")
