"""Facts that the Xet store announces."""

from django.dispatch import Signal

# files: list[XetFile], repository: LockedRepository, actor: Principal, now: datetime. Sent in the transaction
# that registers the files; a receiver that raises undoes it. The files cannot be read before a receiver links
# them.
files_registered = Signal()
