"""Headings that can be linked to, and task lists: each one pass over the tokens of a text."""

from __future__ import annotations

import re

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

ANCHOR_LEVEL_MAX = 4
_TASK = re.compile(r"\[[ xX]\][ \t\n\r\f\v]+")
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


def add_anchors(state: StateCore, prefix: str) -> None:
    """Give headings of the upper levels an id and a link to it. Equal titles are numbered."""
    used: set[str] = set()
    next_number: dict[str, int] = {}
    for at, token in enumerate(state.tokens):
        if token.type != "heading_open" or int(token.tag[1]) > ANCHOR_LEVEL_MAX:
            continue
        children = state.tokens[at + 1].children
        assert children is not None
        slug = prefix + _slug("".join(c.content for c in children if c.type in {"text", "code_inline"}))
        name = slug
        while name in used:
            # Goes on where the last equal title ended, so that many equal ones cost one step each.
            number = next_number.get(slug, 1)
            next_number[slug] = number + 1
            name = f"{slug}-{number}"
        used.add(name)
        token.attrSet("id", name)
        children += [
            Token("text", "", 0, content=" "),
            Token("link_open", "a", 1, attrs={"class": "header-anchor", "href": f"#{name}"}),
            Token("html_inline", "", 0, content="#"),
            Token("link_close", "a", -1),
        ]


def _slug(title: str) -> str:
    return _NOT_IN_SLUG.sub("", title.strip().lower()).replace(" ", "-")[:80]


def mark_tasks(state: StateCore) -> None:
    """List items that begin with `[ ]` or `[x]` get a box; their list gets a class."""
    lists: list[Token] = []
    tokens = state.tokens
    for at, token in enumerate(tokens):
        if token.type in {"bullet_list_open", "ordered_list_open"}:
            lists.append(token)
        elif token.type in {"bullet_list_close", "ordered_list_close"}:
            lists.pop()
        elif (
            token.type == "list_item_open"
            and at + 2 < len(tokens)
            and tokens[at + 1].type == "paragraph_open"
            and _add_box(tokens[at + 2])
        ):
            token.attrSet("class", "task-list-item")
            lists[-1].attrSet("class", "contains-task-list")


def _add_box(inline: Token) -> bool:
    """True if the paragraph began with the brackets of a task; they become a checkbox."""
    children = inline.children
    if not _TASK.match(inline.content) or not children or children[0].type != "text":
        return False
    checked = "" if inline.content[1] == " " else 'checked="checked" '
    children[0].content = children[0].content[3:]
    inline.content = inline.content[3:]
    box = f'<input class="task-list-item-checkbox" {checked}disabled="disabled" type="checkbox">'
    children.insert(0, Token("html_inline", "", 0, content=box))
    return True
