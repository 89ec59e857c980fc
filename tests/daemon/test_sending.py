"""What the daemon sends, and when."""

import pytest
from msgspec.structs import replace

from tests.daemon.world import A, B, C, World, lines
from tests.store.samples import document
from watcher.config.settings import Channel
from watcher.delivery.channel import Result
from watcher.store.store import Store


def test_an_alert_goes_out_at_once(world: World) -> None:
    world.start().passes(31)
    world.shows(A, B, C)
    assert world.sent == [(31, "team", ("c/c",))]


def test_two_alerts_in_a_row_do_not_wait_for_each_other(world: World) -> None:
    world.start()
    world.shows(A, B, C)
    world.shows(A, B, C, document("d/d"))
    assert [models for _, _, models in world.sent] == [("c/c",), ("d/d",)]


def test_a_hanging_channel_holds_up_no_poll_and_what_is_new_meanwhile_follows(world: World) -> None:
    world.start()
    world.channel_gate = gate = world.gate()
    world.shows(A, B, C)
    world.passes(300)
    world.shows(A, B, C, document("d/d"))
    assert world.polled_at == [0, 0, 300, 300]
    assert world.sent == []
    world.frees(gate)
    assert sorted(models for _, _, models in world.sent) == [("c/c",), ("d/d",)]
    assert {at for at, _, _ in world.sent} == {300}


def test_what_is_not_delivered_is_tried_again_when_it_is_due_and_told_once(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.result = Result(False, "HTTP 500", status=500)
    monkeypatch.setattr("watcher.delivery.outbox.random.random", lambda: 0.5)
    monkeypatch.setattr("watcher.delivery.outbox.drain.__kwdefaults__", {"jitter": lambda: 0.5})
    world.start()
    lines(caplog)
    world.shows(A, B, C)
    world.passes(590)
    assert [at for at, _, _ in world.sent] == [0]
    assert [line for line in lines(caplog) if line.startswith("channel")] == [
        "channel team: 1 alert not delivered yet: HTTP 500; tried again 12:10:00 UTC"
    ]
    world.result = Result(True, "sent")
    world.passes(10)
    assert [at for at, _, _ in world.sent] == [0, 600]
    assert [line for line in lines(caplog) if line.startswith("channel")] == ["channel team: 1 alert: sent"]


def test_what_another_process_makes_due_is_seen_within_a_minute(world: World) -> None:
    world.result = Result(False, "HTTP 500", status=500)
    world.start()
    world.shows(A, B, C)
    world.result = Result(True, "sent")
    with Store(world.config.store.url.reveal()) as other, other.writing() as session:
        session.outbox.retry(session.outbox.listed(), world.now())
    world.passes(60)
    assert [models for _, _, models in world.sent] == [("c/c",), ("c/c",)]


def test_what_nobody_can_send_is_not_tried_all_the_time(world: World) -> None:
    world.start()
    world.result = Result(False, "HTTP 500", status=500)
    world.shows(A, B, C)
    world.reloads(replace(world.config, channels=(Channel("other"),)))
    world.passes(900)
    before = world.seconds
    world.leaps(world.asked)
    world.leaps(world.asked)
    assert world.seconds - before >= 60
