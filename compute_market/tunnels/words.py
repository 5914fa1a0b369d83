"""Chinese translations of this process's messages: it does not load the hub's catalogue."""

from __future__ import annotations

CHINESE = {
    "bad_answer": "租约中运行的程序没有给出正确的应答。",
    "hub_away": "平台没有应答，请稍后再试。",
    "lease_over": "租约已结束。",
    "link_refused": "此链接已失效。",
    "machine_silent": "租约的机器没有及时应答。",
    "no_connection": "租约的机器暂无空闲连接。",
    "no_such_address": "此地址不属于任何租约。",
    "not_connected": "租约的机器尚未连接，可能正在启动。",
    "not_signed_in": "需要令牌，或为此端口签发的链接。",
    "other_origin": "此请求来自其他网站的页面。",
    "port_not_open": "端口尚未打开，程序可能正在启动。",
    "port_not_served": "租约中运行的程序没有提供此端口。",
    "too_many_streams": "此租约打开的连接过多。",
}


def told(code: str, english: str, languages: str) -> str:
    """A refusal's sentence, in the language that an Accept-Language header names first."""
    first = languages.split(",", maxsplit=1)[0].strip().lower()
    return CHINESE.get(code, english) if first.startswith("zh") else english
