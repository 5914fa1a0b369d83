"""A notebook page's requests, sent by tornado. The test starts this in JupyterLab's own environment.

Arguments: the port to connect to, the host to ask for, the path and query of a signed link. Prints JSON.
"""

# mypy: ignore-errors
# ruff: noqa: T201

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from http.cookies import SimpleCookie
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

PORT, HOST, LINK = int(sys.argv[1]), sys.argv[2], sys.argv[3]
cookies: dict[str, str] = {}


def headers(**more: str) -> dict[str, str]:
    jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return {"Host": HOST, "Cookie": jar, "Origin": f"http://{HOST}", **more}


async def ask(path: str, **options: Any) -> Any:
    given = {"headers": headers(**options.pop("headers", {})), "follow_redirects": False}
    request = HTTPRequest(f"http://127.0.0.1:{PORT}{path}", request_timeout=60, **given, **options)
    try:
        answer = await AsyncHTTPClient().fetch(request)
    except HTTPClientError as error:
        if error.response is None or error.code not in {302, 303}:
            raise
        answer = error.response
    for line in answer.headers.get_list("Set-Cookie"):
        for name, morsel in SimpleCookie(line).items():
            cookies[name] = morsel.value
    return answer


async def main() -> None:
    entered = await ask(LINK, headers={"Accept": "text/html"})
    page = await ask("/lab", headers={"Accept": "text/html"})
    token = {"X-XSRFToken": cookies["_xsrf"]}
    kernel = json.loads((await ask("/api/kernels", method="POST", body="{}", headers=token)).body)
    path = f"/api/kernels/{kernel['id']}/channels?session_id={uuid.uuid4()}"
    channel = await websocket_connect(HTTPRequest(f"ws://127.0.0.1:{PORT}{path}", headers=headers()))
    message = {
        "header": {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "username": "",
            "session": uuid.uuid4().hex,
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "channel": "shell",
        "content": {"code": "print(6 * 7)", "silent": False, "store_history": False},
        "buffers": [],
    }
    await channel.write_message(json.dumps(message))
    printed = ""
    while "42" not in printed:
        heard = json.loads(await asyncio.wait_for(channel.read_message(), 60))
        if heard["msg_type"] == "stream":
            printed += heard["content"]["text"]
    channel.close()
    is_lab = b"jupyter" in page.body.lower()
    print(json.dumps({"entered": entered.code, "page": page.code, "lab": is_lab, "printed": printed}))


asyncio.run(main())
