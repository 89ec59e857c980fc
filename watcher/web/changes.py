"""Which announced changes a page or a feed shows, as its URL says: `?kind=repriced&author=openai&direction=down`."""

from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlencode

from msgspec import Struct

from watcher.api.query import BadQueryError, Query
from watcher.catalog.model import CHANGE_KINDS, HEALTH_KINDS, KINDS, Event, Kind
from watcher.config.mine import MineSettings
from watcher.config.parse import DIRECTION, PERCENTAGE, WrongValueError
from watcher.config.settings import Rules
from watcher.rules.rules import apply_min_change, my_models, named, wants
from watcher.store.session import Session

NAMES = ("kind", "model", "author", "mine", "free", "direction", "size")
"""The parameters of a filter; each can be empty."""
SHOWN_KINDS: tuple[Kind, ...] = (*CHANGE_KINDS, *HEALTH_KINDS)
"""The kinds to choose from: what concerns the channels is nobody else's business."""
_BATCH = 500
_MOST_NAMED = 500
"""Models whose events the database chooses; of more, it is quicker to look at the newest events of all."""
_MOST_READ = 1000
"""Events that are looked at for one page: a rare match must not cost seconds."""


class Filter(Struct, frozen=True):
    """What the reader wants to see. Rules work like a channel's."""

    kinds: tuple[Kind, ...] = ()
    """Empty: all; with `direction` or `size`, which concern nothing else, `repriced`."""
    model: str = ""
    """An id, a pattern such as `openai/gpt-*`, or a part of an id or a name."""
    author: str = ""
    """The part of an id before its slash."""
    mine: bool = False
    """Only models of `[mine]`."""
    free: bool = False
    direction: str = ""
    """`up` or `down`."""
    size: str = ""
    """The least change of a price, such as `5%`."""

    @classmethod
    def parse(cls, query: str) -> "Filter":
        """Return the filter in a raw query string; other parameters are ignored. Raises BadQueryError."""
        found = Query.parse(query, NAMES)
        kinds = tuple(kind for kind in SHOWN_KINDS if kind in found.words("kind"))
        if len(kinds) != len(found.words("kind")):
            raise BadQueryError(f'"kind" must be some of: {", ".join(SHOWN_KINDS)}')
        values = {name: found.values.get(name, "").strip() for name in NAMES}
        size = values["size"].removesuffix("%") + "%" if values["size"] else ""
        for name, value, kind in (("direction", values["direction"], DIRECTION), ("size", size, PERCENTAGE)):
            try:
                _ = value and kind.parse(value)
            except WrongValueError as error:
                raise BadQueryError(f'"{name}": {error}') from None
        mine, free = (is_checked(found, name) for name in ("mine", "free"))
        return cls(kinds, values["model"], values["author"], mine, free, values["direction"], size)

    @property
    def query(self) -> str:
        """The filter as a query string; empty if it lets everything pass. Equal filters have equal ones."""
        return query_string({"kind": ",".join(self.kinds), **{name: getattr(self, name) for name in NAMES[1:]}})

    @property
    def rules(self) -> Rules:
        """The rules that say the same for a channel, models apart."""
        kinds = self.kinds or (("repriced",) if self.direction or self.size else SHOWN_KINDS)
        least = PERCENTAGE.parse(self.size) if self.size else None
        return Rules(events=kinds, free_only=self.free, direction=self.direction or None, min_change=least)

    def models(self, session: Session, mine: MineSettings) -> Collection[str] | None:
        """Return the ids of the models that are wanted; None: all of them, and what concerns no model."""
        if not self.model and not self.author and not self.mine:
            return None
        names = session.history.names()
        if self.mine:
            names = {id: names[id] for id in my_models(names, mine, session.state.found_models())}
        exact = names.get(self.model) is not None
        return {
            id
            for id, name in names.items()
            if (id == self.model if exact else is_like(self.model, id, name))
            and self.author.lower() in ("", id.lower().lstrip("~").partition("/")[0])
        }


def query_string(values: Mapping[str, object]) -> str:
    """Return parameters as a query string, without those that are empty or false."""
    given = {name: value for name, value in values.items() if value not in (None, "") and value is not False}
    return urlencode({name: "true" if value is True else value for name, value in given.items()}, safe="/:,*~")


def is_checked(query: Query, name: str) -> bool:
    """Whether a box of a form is checked, or the parameter says so. Raises BadQueryError."""
    return query.values.get(name) in ("1", "on") or query.flag(name)


def is_like(text: str, id: str, name: str) -> bool:
    """Whether an id matches a pattern such as `*:free` or, where the text is no pattern, it or the name contains it."""
    return named((text,), id) if set(text) & set("*?[") else text.casefold() in f"{id} {name}".casefold()


class Changes(Struct, frozen=True):
    """Some of the changes, newest first."""

    events: Sequence[Event]
    following: str | None
    """The id of the event to continue before; None: there are no more."""


def find_changes(
    session: Session, wanted: Filter, mine: MineSettings, *, limit: int, before: str | None = None
) -> Changes:
    """Return the newest changes that a filter lets pass, at most `limit`.

    It may return fewer although there are more, even none, where few of many events match: `following` says so.

    Args:
        mine: the models of `[mine]`, for a filter that asks for them.
        before: only changes that were announced before the event with this id.
    """
    rules, models = wanted.rules, wanted.models(session, mine)
    about = models if models is None or len(models) <= _MOST_NAMED else None
    found: list[Event] = []
    read = 0
    while read < _MOST_READ:
        size = min(_BATCH, limit + limit // 5 + 1 + read)  # a few may miss the filter, or most
        batch = session.history.events(kinds=rules.events, about=about, before=before, limit=size)
        for event in sorted(batch, key=lambda event: (event.at, event.id), reverse=True):
            if len(found) == limit:
                return Changes(_in_order(found), before)
            before = event.id
            if _is_shown(rules, event) and (models is None or event.model in models):
                found.append(event)
        read += len(batch)
        if len(batch) < size:
            return Changes(_in_order(found), None)
    return Changes(_in_order(found), before)


def _is_shown(rules: Rules, event: Event) -> bool:
    if event.model is None:
        return not rules.free_only
    return wants(rules, event) and apply_min_change(rules, event, {})[0] is not None


def _in_order(found: Sequence[Event]) -> list[Event]:
    """Return the newest first, and of those that were announced together the most important."""
    ordered = sorted(found, key=lambda event: (KINDS.index(event.kind), event.model or "", event.id))
    return sorted(ordered, key=lambda event: event.at, reverse=True)
