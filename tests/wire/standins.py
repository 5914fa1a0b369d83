"""Programs that stand in for those that cannot be had here; each is the text of an executable file."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

# The parts of code-server 4 that the editor's page needs: its options and no others, a page over
# the Unix socket, and WebSockets for pages of the very host that was asked for (`ensureOrigin`).
CODE_SERVER = textwrap.dedent(
    """
    import argparse, base64, hashlib, http.server, json, os, socketserver
    from urllib.parse import urlsplit

    parser = argparse.ArgumentParser("code-server", allow_abbrev=False)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--auth", choices=["none", "password"], default="password")
    parser.add_argument("--disable-telemetry", action="store_true")
    parser.add_argument("folder")
    options = parser.parse_args()
    GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if options.auth != "none":
                return self.answer(302, b"", Location="./login")
            if self.headers.get("Upgrade", "").lower() == "websocket":
                return self.channel()
            told = {"folder": os.path.realpath(options.folder), "telemetry": not options.disable_telemetry}
            self.answer(200, json.dumps(told).encode())

        def answer(self, status, body, **headers):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def channel(self):
            host = self.headers.get("X-Forwarded-Host", self.headers["Host"]).split(",")[0].strip().lower()
            origin = self.headers.get("Origin")
            if origin and urlsplit(origin).netloc.lower() != host:
                return self.answer(403, b"Forbidden")
            key = self.headers["Sec-WebSocket-Key"].encode()
            accepted = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
            self.send_response(101)
            for name, value in {"Upgrade": "websocket", "Connection": "Upgrade"}.items():
                self.send_header(name, value)
            self.send_header("Sec-WebSocket-Accept", accepted)
            self.end_headers()
            while (head := self.rfile.read(2)) and head[0] & 15 != 8:
                size = head[1] & 127
                size = int.from_bytes(self.rfile.read(2), "big") if size == 126 else size
                mask = self.rfile.read(4)
                text = bytes(byte ^ mask[place % 4] for place, byte in enumerate(self.rfile.read(size)))
                length = bytes([size]) if size < 126 else b"\\x7e" + size.to_bytes(2, "big")
                self.wfile.write(head[:1] + length + text)
            self.close_connection = True

        def address_string(self):
            return "socket"

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    Server(options.socket, Handler).serve_forever()
    """
)


def install(folder: Path, name: str, text: str) -> None:
    """Make a program of that name in a folder, for a PATH that begins with it."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!{sys.executable}\n{text}")
    program.chmod(0o755)
