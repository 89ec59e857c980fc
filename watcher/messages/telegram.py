"""Telegram's HTML, checked before it is sent: for one tag that it does not know, it refuses the whole message."""

from html.parser import HTMLParser

from watcher.messages.text import clean

_TAGS = frozenset(
    {
        *("a", "b", "blockquote", "code", "del", "em", "i", "ins", "pre", "s", "span", "strike", "strong"),
        *("tg-emoji", "tg-spoiler", "u"),
    }
)


def find_problem(body: str) -> str | None:
    """Return why Telegram would refuse the body, or None."""
    parser = _Parser()
    parser.feed(body)
    parser.close()
    parser.problems += [f"the tag {tag} is not closed" for tag in reversed(parser.open)]
    return parser.problems[0] if parser.problems else None


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.problems: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self.problems.append(f"Telegram knows no tag {clean(tag, 20)}")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"the end of the tag {clean(tag, 20)} is out of place")

    def handle_data(self, data: str) -> None:
        if "<" in data:
            self.problems.append("a < that begins no tag must be written as &lt;")

    def handle_comment(self, data: str) -> None:
        self.problems.append("Telegram knows no comments")

    def handle_decl(self, decl: str) -> None:
        self.problems.append("Telegram knows no declarations")
