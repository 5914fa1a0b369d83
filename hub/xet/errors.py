"""The refusals of the Xet store."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from foundation.errors import Exhausted, Invalid, NotFound, Unavailable


class InvalidXorb(Invalid):
    code = "invalid_xorb"
    message = _("The xorb was refused: {reason}")


class InvalidShard(Invalid):
    code = "invalid_shard"
    message = _("The shard was refused: {reason}")


class UnknownXorb(Invalid):
    """A shard names a xorb that this hub does not have, or that the caller has neither sent nor may read.

    Clients trust a cache of what they sent before, so the message names the way out.
    """

    code = "unknown_xorb"
    message = _(
        "The shard names xorb {xorb}, which is not among those that you sent or may read here."
        " If this repeats, delete the client's Xet cache (HF_XET_CACHE, by default ~/.cache/huggingface/xet)."
    )


class InvalidHash(Invalid):
    code = "invalid_hash"
    message = _("{text} is not a Xet hash: 64 lowercase hexadecimal digits.")


class FileNotFound(NotFound):
    code = "xet_file_not_found"
    message = _("File not found.")


class XorbNotFound(NotFound):
    code = "xorb_not_found"
    message = _("Xorb not found.")


class ChunkNotFound(NotFound):
    code = "chunk_not_found"
    message = _("Chunk not found.")


class RangeBeyondEnd(Invalid):
    """The first byte asked for lies behind the end of the file."""

    code = "range_beyond_end"
    message = _("The file has {size} bytes.")


class XorbBusy(Unavailable):
    """The xorb is being removed at this moment; sent again, it will be stored anew."""

    code = "xorb_busy"
    message = _("The xorb is being removed right now. Send it again.")


class XorbDamaged(Unavailable):
    """Stored bytes are no longer what was verified when they arrived."""

    code = "xorb_damaged"
    message = _("The stored bytes of xorb {xorb} are damaged. An administrator has been notified.")


class VerificationBusy(Unavailable):
    """Another shard of the caller, or as many as this server takes at once, are being verified."""

    code = "xet_verification_busy"
    message = _("Other uploads are being verified right now. Send it again in a moment.")


class VerificationBudgetSpent(Exhausted):
    code = "xet_verification_budget_spent"
    message = _("More than {limit} bytes of your uploads were verified within this hour. Try again later.")
