"""`python -m compute_market.ssh`: serves until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import django

from foundation import data_folder_lock
from foundation.environment import text, told_in_a_sentence


@told_in_a_sentence
def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.dev")
    from django.conf import settings

    data_folder_lock.share(settings.DATA_DIR)
    django.setup()
    from compute_market.ssh.server import host_key, serve

    async def run() -> None:
        over = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        bind = text("BAZAAR_SSH_BIND", default="127.0.0.1:2222")
        await serve(bind, keys=[host_key(settings.DATA_DIR)], over=over)

    asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
