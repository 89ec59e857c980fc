"""A repeat is the same message, with the same Message-ID, whatever the service says to it and whatever is new since."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from testkit.receivers import MailServer, send_events
from tests.delivery.test_outbox import ALL, HOUR, OK, REFUSED, UNSURE, Answer, World, event
from watcher.catalog.model import Event
from watcher.config.clock import DIGEST
from watcher.config.secret import Secret
from watcher.config.settings import Channel, Timing
from watcher.delivery import reached
from watcher.delivery.channel import Result

DAY = timedelta(days=1)


class Killed(BaseException):
    """What ends the process in the middle."""


class Mails(World):
    """A world whose channel is a mailbox, where the process can be killed, or the answer changed, after a sending."""

    def __init__(self, database: str, server: MailServer, **timing: object) -> None:
        self.server = server
        super().__init__(database, Channel("a", Secret(server.url), rules=ALL, timing=Timing(**timing)))  # type: ignore[arg-type]

    def _send(self, channel: Channel, events: Sequence[Event]) -> Result:
        result = send_events(self.server.url, events)
        assert result.ok
        answer: Answer = self.answers.pop("a", OK)
        return answer if isinstance(answer, Result) else answer(events)

    def ids(self) -> list[str]:
        return [str(self.server.mail(at)["Message-ID"]) for at in range(len(self.server.envelopes))]


class Greylisted(Mails):
    """A world whose channel is two mailboxes, of which one takes nothing yet."""

    def __init__(self, database: str, server: MailServer) -> None:
        self.taken = False
        server.handle_RCPT = self.answer  # type: ignore[method-assign]
        super().__init__(database, server)

    async def answer(self, _server: object, _session: object, envelope: Any, address: str, _options: object) -> str:
        if address.startswith("bob") and not self.taken:
            return "450 4.2.0 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def _send(self, channel: Channel, events: Sequence[Event]) -> Result:
        return send_events(f"{self.server.url},bob@example.org", events)

    def in_a_new_process(self, **options: Any) -> None:
        reached._reached.clear()
        self.drain(**options)

    @property
    def recipients(self) -> list[str]:
        return [envelope.rcpt_tos[0][:3] for envelope in self.server.envelopes]


def kill(events: Sequence[Event]) -> Result:
    raise Killed


@pytest.fixture
def mails(database: str, mail_server: MailServer) -> Iterator[Mails]:
    world = Mails(database, mail_server)
    yield world
    world.store.close()


@pytest.mark.parametrize("first", [kill, UNSURE], ids=["killed", "unsure"])
def test_what_is_refused_when_it_is_repeated_is_not_merged_with_later_news(mails: Mails, first: Answer) -> None:
    mails.answers["a"] = first
    mails.queue(event(1), event(2))
    with suppress(Killed):
        mails.drain()
    for number in range(3, 7):
        mails.answers["a"] = REFUSED
        mails.queue(event(number)).drain(after=HOUR)
    mails.drain(after=HOUR)
    *repeats, news = mails.ids()
    assert len(repeats) == 6
    assert len(set(repeats)) == 1, "each repeat has the id of the first"
    assert news not in repeats
    assert set(mails.states().values()) == {"sent"}


def test_a_later_process_repeats_nothing_at_the_targets_that_have_it(database: str, mail_server: MailServer) -> None:
    world = Greylisted(database, mail_server)
    world.queue(event(1), event(2)).in_a_new_process()
    for _ in range(3):
        world.in_a_new_process(after=HOUR)
    assert world.recipients == ["ann"]
    world.taken = True
    world.in_a_new_process(after=HOUR)
    assert world.recipients == ["ann", "bob"]
    assert set(world.states().values()) == {"sent"}
    with world.store.writing() as session:
        session.outbox.retry(session.outbox.listed(), world.now)
    world.in_a_new_process()
    assert world.recipients == ["ann", "bob", "ann", "bob"], "whoever asks for it again gets it again"
    world.store.close()


def test_what_was_never_accepted_is_merged_with_later_news(mails: Mails) -> None:
    mails.answers["a"] = REFUSED
    mails.queue(event(1)).drain()
    mails.queue(event(2)).drain(after=HOUR)
    assert len(set(mails.ids())) == 2
    assert set(mails.states().values()) == {"sent"}


def test_a_repeat_is_whole_though_only_a_part_of_it_is_urgent(database: str, mail_server: MailServer) -> None:
    mails = Mails(database, mail_server, max_per_hour=1, urgent=("expired",))
    mails.queue(event(9)).drain()
    mails.answers["a"] = kill
    mails.queue(event(1), event(2, "expired"))
    with pytest.raises(Killed):
        mails.drain(after=HOUR)
    with mails.store.writing() as session:  # another message has used up the hour
        session.outbox.mark_sent(session.outbox.listed(channel="a", states=["sent"]), mails.now)
    mails.drain(after=timedelta(minutes=1))
    mails.store.close()
    _, first, repeat = mails.ids()
    assert first == repeat


def test_a_repeat_is_whole_though_the_clock_was_set_back(database: str, mail_server: MailServer) -> None:
    mails = Mails(database, mail_server, digest=DIGEST.parse("daily 14:00"), urgent=("expired",))
    mails.queue(event(1))
    mails.now += 3 * HOUR
    mails.queue(event(2, "expired"))
    mails.answers["a"] = kill
    with pytest.raises(Killed):
        mails.drain()
    mails.drain(after=-2 * HOUR)
    mails.drain(after=DAY)
    mails.store.close()
    assert len(set(mails.ids())) == 1


def test_a_channel_that_changes_its_timing_repeats_the_same(mails: Mails) -> None:
    mails.answers["a"] = kill
    mails.queue(event(1), event(2))
    with pytest.raises(Killed):
        mails.drain()
    (channel,) = mails.config.channels
    timing = Timing(digest=DIGEST.parse("daily 09:00"))
    mails.config = replace(mails.config, channels=(replace(channel, timing=timing),))
    mails.queue(event(3)).drain(after=HOUR)
    mails.drain(after=DAY)
    first, repeat, news = mails.ids()
    assert first == repeat
    assert news != first
