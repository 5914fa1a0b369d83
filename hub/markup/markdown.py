"""Cards and comments: Markdown to sanitized HTML. Pages call it through `hub.markup.render`.

Relative links and images lead into the repository at its revision. Images from elsewhere become
links: opening a page of this hub tells no other host about its reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from latex2mathml.converter import convert as latex_to_mathml
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin

from hub.markup import code, structure

TEXT_CHARS_MAX = 200_000
MATH_CHARS_MAX = 4_000
_SCHEMES = {"http", "https", "mailto"}
_MATHML = set(
    "math mrow mi mo mn ms mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover "
    "mtable mtr mtd mstyle mpadded mphantom menclose mmultiscripts mprescripts none".split()
)
_TAGS = (
    nh3.ALLOWED_TAGS
    | {"input", "details", "summary", "video", "audio", "source", "section", "picture", *_MATHML}
) - {"style"}
_SHARED = {"class", "id", "title", "align", "lang", "dir"}
_MATH_ATTRIBUTES = set(
    """
    display stretchy mathvariant displaystyle scriptlevel columnalign rowspacing columnspacing fence separator
    lspace rspace minsize maxsize accent accentunder linethickness width height depth voffset notation form
    movablelimits columnspan rowspan
    """.split()
)
_ATTRIBUTES: dict[str, set[str]] = {
    "*": _SHARED,
    "a": {"href"},
    "img": {"src", "alt", "width", "height", "loading"},
    "input": {"type", "checked", "disabled"},
    "th": {"colspan", "rowspan", "scope"},
    "td": {"colspan", "rowspan"},
    "ol": {"start"},
    "details": {"open"},
    "video": {"src", "controls", "width", "height"},
    "audio": {"src", "controls"},
    "source": {"src", "type"},
    **{tag: set(_MATH_ATTRIBUTES) for tag in _MATHML},
}
# Classes that our own rendering makes; a card cannot dress as a part of the site.
_CLASSES = code.CLASSES | frozenset(
    """
    header-anchor far-image task-list-item contains-task-list task-list-item-checkbox footnote footnotes
    footnote-ref footnote-backref footnote-item footnotes-sep footnotes-list
    """.split()
)
_ID_PREFIX = "card-"
_MENTION = re.compile(r"(?<![\w/@.])@([A-Za-z0-9_][A-Za-z0-9._-]{0,94}[A-Za-z0-9_])(?![\w/])")


@dataclass(frozen=True, slots=True)
class Base:
    """The bases of relative addresses: pages are under `pages`, raw files under `files`; both end
    with “/”.
    """

    pages: str = ""
    files: str = ""


def render(text: str, base: Base | None = None, *, mentions: bool = False) -> SafeString:
    """HTML for one text. Never raises for what people write; too much of it is cut."""
    html = _parser().render(text[:TEXT_CHARS_MAX], {"mentions": mentions})
    return mark_safe(_cleaner(base or Base())(html))  # noqa: S308 - nh3 cleaned it


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("gfm-like", {"html": True, "linkify": True, "highlight": _highlight})
    # Only what says http:// is an address: train.py is a file, though .py is also a country.
    assert parser.linkify is not None
    parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False})
    parser.core.ruler.push("mentions", _link_mentions)
    parser.use(dollarmath_plugin, renderer=_math, allow_space=False, double_inline=True)
    parser.use(footnote_plugin)
    parser.core.ruler.after("inline", "task_lists", structure.mark_tasks)
    parser.core.ruler.push("heading_anchors", lambda state: structure.add_anchors(state, _ID_PREFIX))
    return parser


def _link_mentions(state: StateCore) -> None:
    """@name in running text leads to the name's page; code and links keep what they say."""
    if not state.env.get("mentions"):
        return
    for block in state.tokens:
        links = 0
        found: list[Token] = []
        for token in block.children or ():
            links += {"link_open": 1, "link_close": -1}.get(token.type, 0)
            found += _split_mentions(token) if token.type == "text" and not links else [token]
        if block.children:
            block.children = found


def _split_mentions(text: Token) -> Iterator[Token]:
    at = 0
    for match in _MENTION.finditer(text.content):
        yield Token("text", "", 0, content=text.content[at : match.start()])
        yield Token("link_open", "a", 1, attrs={"href": f"/{match[1]}"})
        yield Token("text", "", 0, content=match[0])
        yield Token("link_close", "a", -1)
        at = match.end()
    yield Token("text", "", 0, content=text.content[at:])


def _highlight(text: str, language: str, attributes: Any) -> str:
    return str(code.coloured(text, language=language)) if language else escape(text)


def _math(content: str, options: Mapping[str, Any]) -> str:
    if len(content) <= MATH_CHARS_MAX:
        try:
            return str(latex_to_mathml(content, display="block" if options.get("display_mode") else "inline"))
        except Exception:  # noqa: BLE001, S110 - the library raises many kinds; the source is the fallback
            pass
    return f"<code>{escape(content)}</code>"


def _cleaner(base: Base) -> Callable[[str], str]:
    def attribute(tag: str, name: str, value: str) -> str | None:
        if name == "class":
            kept = [word for word in value.split() if word in _CLASSES]
            return " ".join(kept) or None
        if name == "id":
            return value if value.startswith((_ID_PREFIX, "fn")) else _ID_PREFIX + value
        if tag == "a" and name == "href":
            return link(value, base)
        if name == "src":
            return source(value, base)
        if tag == "input" and name == "type":
            return "checkbox"
        return value

    def clean(html: str) -> str:
        return nh3.clean(
            _far_images(html),
            tags=_TAGS,
            attributes=_ATTRIBUTES,
            attribute_filter=attribute,
            url_schemes=_SCHEMES,
            link_rel="noopener nofollow",
        )

    return clean


# Each stops at the next “<”, so the whole text is scanned once, whatever is left open in it.
_IMAGE = re.compile(r"<(?:img|source|video|audio)\b[^<>]*>", re.IGNORECASE)
_SRC = re.compile(r"\bsrc\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)


def _far_images(html: str) -> str:
    """Pictures of other hosts as links to them."""

    def replaced(match: re.Match[str]) -> str:
        named = _SRC.search(match[0])
        address = (named[1] or named[2] or named[3] or "").strip() if named else ""
        if not _is_far(address):
            return match[0]
        alt = _ALT.search(match[0])
        words = (alt[1] or alt[2]) if alt else ""
        shown = words or urlsplit(address.replace("&amp;", "&")).path.rpartition("/")[2] or "image"
        return f'<span class="far-image">[{shown} ↗]</span>'

    return _IMAGE.sub(replaced, html)


def _is_far(address: str) -> bool:
    return bool(re.match(r"(?:[a-z][a-z0-9+.-]*:|//|\\)", address.strip(), re.IGNORECASE))


def link(address: str, base: Base) -> str | None:
    """The target of a link; None removes it."""
    address = address.strip()
    if address.startswith("#"):
        name = address[1:]
        return f"#{name}" if name.startswith((_ID_PREFIX, "fn")) else f"#{_ID_PREFIX}{name}"
    if _is_far(address):
        return address if urlsplit(address).scheme.lower() in _SCHEMES else None
    if address.startswith("/"):
        return address
    return _inside(address, base.pages)


def source(address: str, base: Base) -> str | None:
    """The address of an image of this hub. Images of other hosts were removed before, and are refused here
    again.
    """
    if _is_far(address):
        return None
    if address.startswith("/"):
        return address
    return _inside(address, base.files)


def _inside(address: str, root: str) -> str | None:
    """A relative address under a root, never above it."""
    if not root:
        return None
    path, mark, rest = address.partition("#")
    parts: list[str] = []
    for part in path.partition("?")[0].split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in {"", ".", ".."}:
            parts.append(part)
    return root + quote("/".join(parts), safe="/%") + mark + rest
