"""`python -m bazaar.server`: what `script/server` runs in a checkout, and the command `bazaar server`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bazaar import paths
from bazaar.server import demo, options
from bazaar.server.console import Console
from bazaar.server.supervisor import Supervisor
from foundation.environment import told_in_a_sentence


def greeting(chosen: options.Options, address: str) -> str:
    """Print the address, the sign-in and three commands to copy, at the end of a start."""
    lines = ["", f"Model Bazaar is at {address}", f"Its data is in {chosen.data}. Ctrl-C stops it.", ""]
    sign_in = demo.load(chosen.data)
    if sign_in is None:
        command = paths.command("manage")
        lines += [f"Sign up in the browser, or: {command} create_user NAME --password TEXT", ""]
    else:
        lines += [f"Sign in as {sign_in.name} with the password {sign_in.password}", ""]
    lines += ["Copy into another terminal, with any Hugging Face client installed:", ""]
    lines += [f"    export HF_ENDPOINT={address}" + (f" HF_TOKEN={sign_in.token}" if sign_in else "")]
    lines += ["    hf download Qwen/Qwen-72B --local-dir qwen"]
    name = sign_in.name if sign_in else "NAME"
    lines += [f"    hf upload {name}/my-model ./qwen", ""]
    return "\n".join(lines)


@told_in_a_sentence
def main(words: Sequence[str] | None = None) -> int:
    """Run the server with these options, or with those of the command line; gives the exit status."""
    chosen = options.parse(words)
    return Supervisor(chosen, Console()).run(greet=lambda address: greeting(chosen, address))


if __name__ == "__main__":
    sys.exit(main())
