"""Facts that the Xet store announces."""

from django.dispatch import Signal

# files: list[XetFile], repository: Repository, actor: Principal, now: datetime. Sent in the transaction
# that registers the files; a receiver that raises undoes it.
files_registered = Signal()
