"""Python runs this as it starts, if this folder is in PYTHONPATH: the program reaches loopback only."""

from tests.network import stay_on_this_machine

stay_on_this_machine()
