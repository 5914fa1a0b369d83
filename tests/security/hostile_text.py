"""Markdown and code that make careless parsers slow: each is made for a number of characters."""

from __future__ import annotations

from collections.abc import Callable

Maker = Callable[[int], str]


def repeat(piece: str, end: str = "") -> Maker:
    return lambda chars: piece * (chars // len(piece)) + end


def numbered(piece: str) -> Maker:
    return lambda chars: "".join(piece.format(number) for number in range(chars // (len(piece) + 2)))


def pair(start: str, end: str) -> Maker:
    return lambda chars: start * (chars // len(start) // 2) + end * (chars // len(end) // 2)


MARKDOWN: dict[str, Maker] = {
    "headings": repeat("# a\n"),
    "tasks": repeat("- [ ] a\n"),
    "images open": repeat("!["),
    "brackets open": repeat("["),
    "brackets nested": pair("[", "]"),
    "links": repeat("[a](b) "),
    "links open": repeat("[a](<b"),
    "links nested": pair("[a", "](b)"),
    "emphasis": repeat("*a **b "),
    "stars": repeat("*", "a"),
    "emphasis inside words": repeat("a**b"),
    "underscores": repeat("_a __b"),
    "strikes": repeat("~~a "),
    "backticks": lambda chars: "".join("`" * count + " " for count in range(1, int((2 * chars) ** 0.5))),
    "backticks open": repeat("`a "),
    "math": repeat("$x^2$ "),
    "math open": repeat("$a "),
    "math blocks": repeat("$$\nx\n$$\n\n"),
    "quotes nested": repeat(">", "a"),
    "quotes": repeat("> a\n"),
    "lists nested": lambda chars: "".join(" " * (2 * (line % 50)) + "- a\n" for line in range(chars // 54)),
    "lists": repeat("- a\n"),
    "dashes": repeat("- ", "a"),
    "table rows": lambda chars: "a|b\n-|-\n" + "x|y\n" * (chars // 4),
    "table columns": lambda chars: "|a" * (chars // 4) + "|\n" + "|-" * (chars // 4) + "|\n",
    "tables": repeat("a|b\n-|-\nx|y\n\n"),
    "html picture open": lambda chars: "<div>\n<img src=" + "a" * chars,
    "html pictures": repeat("<img src=http://a/b alt=c>\n"),
    "html sources open": lambda chars: "<div>\n<img " + 'src="' * (chars // 5),
    "html tags": repeat("<b>"),
    "html tags misnested": repeat("<b><p>"),
    "html comments open": repeat("a <!-- "),
    "html attributes": lambda chars: "a <b " + "a=b " * (chars // 4),
    "html details": repeat("<details>\n\n"),
    "less than": repeat("<"),
    "autolinks open": repeat("<http://a"),
    "addresses": repeat("http://a.b "),
    "address with brackets": lambda chars: "http://a.b/" + "(" * chars,
    "mail addresses": repeat("mailto:a@"),
    "mentions": repeat("@a "),
    "mention signs": repeat("@"),
    "mention dots": repeat("@a" + "." * 60),
    "footnotes": numbered("a[^{0}]\n\n[^{0}]: b\n\n"),
    "footnotes inline": repeat("^[a"),
    "references": numbered("[{}]: b\n"),
    "references used": lambda chars: "[a]: b\n\n" + "[a] " * (chars // 4),
    "entities": repeat("&amp;"),
    "backslashes": repeat("\\"),
    "spaces": repeat(" ", "b"),
    "tabs": repeat("\t", "a"),
    "fences": repeat("```python\na = 1\n```\n"),
    "headings underlined": repeat("a\n=\n"),
    "rules": repeat("- - -\n"),
    "paragraphs": repeat("a\n\n"),
}
# Texts that make expressions of Pygments' lexers backtrack.
CODE: dict[str, Maker] = {
    name: repeat(piece)
    for name, piece in {
        "letters": "a",
        "spaces": " ",
        "brackets": "(",
        "braces": "{",
        "quotes": '"',
        "less than": "<",
        "slashes": "/",
        "backslashes": "\\",
        "comments": "/*",
        "words": "a ",
        "dots": "a.",
        "equals": "a=",
        "dollars": "${",
        "backticks": "`",
        "underscores": "_",
        "lines": "\ta\n",
    }.items()
}
LANGUAGES = ("python", "javascript", "json", "html", "c", "bash")
