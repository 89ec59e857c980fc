"""The API key is in no output, record or alert, wherever a server repeats it and whatever it makes of it."""

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from testkit.command import Command
from testkit.receivers import Sink
from tests.end_to_end.test_check import channel
from tests.upstream.server import Request, answer, serve
from watcher.store.documents import DamagedError, unpack
from watcher.upstream.client import Client
from watcher.upstream.transport import Limits

KEY = "sk-or-v1-kzq94f9a0c7e1d2b83665a4c9e0f7b1d8a2c3e5f60718293a4b5c6d7e8f90a1b"
ROOM = "x" * 190
"""Pushes what follows it to where texts are cut."""


def found(text: str) -> list[str]:
    """What of the key is in a text: any eight characters of it, in any case."""
    plain = text.lower()
    return [KEY[at : at + 8] for at in range(9, len(KEY) - 7) if KEY[at : at + 8] in plain]


FORMS: Mapping[str, Callable[[str], str]] = {
    "whole": lambda key: key,
    "upper": str.upper,
    "encoded": lambda key: "".join(f"%{ord(one):02X}" for one in key),
    "a piece": lambda key: key[12:40],
}

PLACES: Mapping[str, Callable[[str], bytes]] = {
    "an error": lambda key: answer(b'{"error":{"message":"no such key: %s"}}' % key.encode(), "401 Unauthorized"),
    "a cut error": lambda key: answer(f"{ROOM[20:]}{key}".encode(), "401 Unauthorized", kind="text/plain"),
    "a page": lambda key: answer(f"<html><title>{key}</title>".encode(), kind="text/html"),
    "a cut page": lambda key: answer(f"<html>{ROOM[:45]}{key}".encode(), kind="text/html"),
    "an error with status 200": lambda key: answer(b'{"error":"%s"}' % key.encode()),
    "a type": lambda key: answer(b"<html>", kind=f"text/{key}"),
    "a cut type": lambda key: answer(b"<html>", kind=f"text/{ROOM[:30]}{key}"),
    "an encoding": lambda key: answer(b"<html>", content_encoding=key),
    "a reason": lambda key: answer(b"", f"503 {key}"),
    "a cut reason": lambda key: answer(b"", f"503 {ROOM[:25]}{key}"),
    "a redirect": lambda key: answer(b"", "302 Found", location=f"http://other.example/{key}?k={key}"),
    "a cut redirect": lambda key: answer(b"", "302 Found", location=f"http://other.example/{ROOM}{ROOM[:85]}{key}"),
    "a redirect to no URL": lambda key: answer(b"", "302 Found", location=f"http://[{key}"),
    "a broken status line": lambda key: f"HTTP/1.1 {key}\r\n\r\n".encode(),
    "a broken header": lambda key: f"HTTP/1.1 200 OK\r\n{key}\r\n\r\n".encode(),
    "the next page": lambda key: answer(b'{"data":[],"links":{"next":"http://other.example/%s"}}' % key.encode()),
    "a next page of a kind": lambda key: answer(b'{"data":[],"links":{"next":["%s"]}}' % key.encode()),
    "what follows the list": lambda key: answer(b'{"data":[]} %s' % key.encode()),
    "a list of nonsense": lambda key: answer(b'{"data":["%s"],"%s":1}' % (key.encode(), key.encode())),
    "a number": lambda key: answer(b'{"data":[],"total_count":"%s"}' % key.encode()),
}


IMPATIENT = {**(Client.__init__.__kwdefaults__ or {}), "limits": Limits(backoff=0.0)}


def texts_of(path: Path) -> Iterator[str]:
    """All that is in a database, its documents unpacked."""
    with closing(sqlite3.connect(path)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f"SELECT * FROM {table}"):
                for value in row:
                    try:
                        yield str(unpack(value, object) if isinstance(value, bytes) else value)
                    except (DamagedError, zlib.error):
                        yield str(value)


CASES = [
    *((place, "whole") for place in PLACES),
    *((place, form) for place in ("a cut error", "a type", "a cut reason", "a broken header") for form in FORMS),
]


@pytest.mark.parametrize(("place", "form"), dict.fromkeys(CASES))
def test_a_key_that_the_server_repeats_is_told_nobody(
    place: str, form: str, command: Command, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    monkeypatch.setattr("watcher.upstream.client.Client.__init__.__kwdefaults__", IMPATIENT)

    def echo(request: Request) -> list[bytes]:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        return [PLACES[place](FORMS[form](KEY))]

    with serve(echo) as server:
        hook = channel(sink).replace("[[channels]]\n", '[[channels]]\nevents = ["*"]\n')
        command.configure(f'[source]\nurl = "{server.url}"\nrss = false\n[store]\nurl = "sqlite:///w.db"\n{hook}')
        said = [command.run("--verbose", "--check", "--json") for _ in range(3)]
    assert {ran.code for ran in said} == {69}
    assert len(sink.requests) == 1, "the channel hears that the source fails"
    assert json.loads(sink.requests[0][2])["events"][0]["kind"] in ("source_failing", "catalog_suspect")
    said += [command.run("--verbose", *verb) for verb in (("status",), ("status", "--json"), ("changes", "--json"))]
    told = [text for ran in said for text in (ran.out, ran.err)] + [str(request) for request in sink.requests]
    for text in (*told, *texts_of(command.folder / "w.db")):
        assert not found(text), text
    for path in command.folder.glob("w.db*"):
        assert not found(path.read_bytes().decode("latin-1"))
