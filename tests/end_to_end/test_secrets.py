"""No secret of a channel is anywhere but where its owner put it.

Real processes, with every logger at DEBUG, send through each kind of channel to servers that take it, refuse it, break
down, hang, hang up or do not speak TLS. Then everything is searched: output, logs, tracebacks, the command line, each
byte of the database. Every secret has the same mark in it, whatever its service wants it to look like.
"""

import base64
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.command import TOGETHER, CommandResult, Watcher, clean_environment
from testkit.receivers import MailServer, Sink
from watcher.simulator import Simulator, story_by_name, story_scenes

STEPS = 5
"""Of the story, by which there is something to tell."""
MARK = "kzq9"
FORMS = tuple(
    base64.b64encode(f"{user}:{MARK}word".encode()).decode().rstrip("=")[4:-2] for user in ("ann", "bobby", "b")
)
"""The mark as basic authentication sends it; the ends depend on what is around them."""

# The tests' own code in the watcher's process: it sends named services to the test's server, and logs what it can.
SITE = """
import atexit, logging, os, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")
for name in ("apprise", "urllib3", "urllib3.connectionpool", "requests", "watcher", "httpx", "httpcore", "asyncio"):
    logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger(name).addHandler(logging.StreamHandler(sys.stderr))
if os.environ.get("SINK"):
    from apprise.plugins import discord, slack, telegram
    slack.NotifySlack.webhook_url = discord.NotifyDiscord.notify_url = telegram.NotifyTelegram.notify_url = (
        "http://" + os.environ["SINK"] + "/")
if os.environ.get("BREAK"):
    from watcher.delivery.services import Service
    def broken(service, message):
        raise RuntimeError(f"a plugin's bug that quotes {service.plugin.url()}")
    Service.post = broken
atexit.register(lambda: print("cmdline:", open("/proc/self/cmdline").read().replace("\\0", " "), file=sys.stderr))
"""


def urls(address: str, mail: str) -> dict[str, str]:
    """Return a URL for every kind of channel, with the mark in each place that may hold a secret."""
    upper, long = MARK.upper(), (MARK * 16)[:64]
    return {
        "json": f"json://ann:{MARK}word@{address}/{MARK}path/?-key={MARK}param&+X-Key={MARK}header&:extra={MARK}field",
        "form": f"form://bobby:{MARK}word@{address}/{MARK}path",
        "xml": f"xml://b:{MARK}word@{address}/{MARK}path?+X-Key={MARK}header",
        "ntfy": f"ntfy://ann:{MARK}word@{address}/{MARK}topic",
        "gotify": f"gotify://{address}/{MARK}TokenAb1",
        "mattermost": f"mmost://{address}/{long[:32]}",
        "matrix": f"matrix://{address}/{long}?mode=slack",
        "rocket": f"rocket://{long[:24]}/{long[:43]}@{address}/#news",
        "slack": f"slack://T{upper}{upper}/A{upper}{upper}/{long[:24]}/#general",
        "discord": f"discord://4174216298/{long}",
        "telegram": f"tgram://123456789:{long[:35]}/12315544/",
        "mail": mail,
    }


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(story_scenes(story_by_name("demo"))) as simulator:
        yield simulator


class Leaks:
    """Runs the command with the site above and keeps whatever it says."""

    def __init__(self, watcher: Watcher, simulator: Simulator, sink: str) -> None:
        self.watcher, self.said, self.holders = watcher, list[tuple[str, str]](), {"config.toml"}
        self.head = (
            f'[source]\nurl = "{simulator.url}"\nrss = false\n[store]\nurl = "sqlite:///w.db"\n'
            '[announce]\nsettle = "0s"\n[delivery]\ntimeout = "1s"\nretry_first = "0s"\n'
        )
        site = watcher.folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SITE)
        repository = Path(__file__).parent.parent.parent
        self.env = {"SINK": sink, "PYTHONPATH": f"{site}:{repository}", "no_proxy": "*"}

    def configure(self, channels: dict[str, str]) -> None:
        """`channels`: name → the lines that say where to send."""
        tables = [f'[[channels]]\nname = "{name}"\nevents = ["*"]\n{lines}\n' for name, lines in channels.items()]
        self.watcher.configure(self.head + "".join(tables))
        (self.watcher.folder / "config.toml").chmod(0o600)

    def run(self, *arguments: str, **env: str) -> CommandResult:
        if "--check" not in arguments and "test" not in arguments:
            env["SINK"] = ""  # nothing is sent, so no plugin needs to be loaded
        ran = self.watcher.run(*arguments, env={**self.env, **env})
        self.said += [(" ".join(arguments), ran.out), (" ".join(arguments), ran.err)]
        return ran

    def assert_none(self) -> None:
        assert any("cmdline:" in text for _, text in self.said)
        for what, text in self.said:
            found = re.search(rf".{{0,80}}{MARK}.{{0,40}}", text, re.IGNORECASE)
            assert found is None, f"{what} said {found and found[0]}"
            assert not any(form in text for form in FORMS), what
        for path in self.watcher.folder.rglob("*"):
            if path.is_file() and path.name not in self.holders and "site" not in path.parts:
                content = path.read_bytes().lower()
                assert MARK.encode() not in content, path
                assert not any(form.lower().encode() in content for form in FORMS), path

    def everything(self) -> None:
        """Say all that can be said of the channels."""
        for arguments in (
            ("config", "show"),
            ("config", "show", "--json"),
            ("config", "check"),
            ("channels",),
            ("channels", "--json"),
            ("deliveries",),
            ("deliveries", "--json"),
            ("status",),
            ("status", "--json"),
            ("--check", "--dry-run"),
            ("--check", "--json"),
        ):
            self.run("--verbose", *arguments)


@pytest.fixture
def leaks(watcher: Watcher, simulator: Simulator, sink: Sink) -> Leaks:
    return Leaks(watcher, simulator, sink.address)


def inline(url: str) -> str:
    return f"url = '{url}'"


def mailbox(server: MailServer) -> str:
    """The mail server has no login, so an URL with a password fails; one with a secret in a header does not."""
    return f"{server.url}&+X-Key={MARK}header"


OUTCOMES = {"accepted": 200, "unauthorized": 401, "broken": 500, "redirected": 302, "hung up": 0, "hanging": -1}


@pytest.mark.slow
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_kind_of_channel_keeps_its_secrets(
    leaks: Leaks, simulator: Simulator, sink: Sink, mail_server: MailServer, outcome: str
) -> None:
    sink.status = OUTCOMES[outcome]
    mail = mailbox(mail_server)
    if outcome != "accepted":
        mail = mail.replace("mailto://", f"mailto://ann:{MARK}word@")
    channels = urls(sink.address, mail)
    leaks.configure({name: inline(url) for name, url in channels.items()})
    assert leaks.run("--verbose", "--check").code == 0
    for _ in range(STEPS):
        leaks.run("--verbose", "--check")
        if sink.requests:
            break
        simulator.advance()
    assert len(sink.requests) >= len(channels) - 1, "every kind has sent"
    assert bool(mail_server.envelopes) == (outcome == "accepted")
    assert any("httpcore.connection DEBUG" in text for _, text in leaks.said), "the loggers do say something"
    leaks.run("--verbose", "deliveries", "--json")
    if outcome == "broken":
        leaks.run("--verbose", "channels", "test")
        leaks.everything()
    leaks.assert_none()
    sink.over.set()


@pytest.mark.slow
def test_what_cannot_be_reached_or_made_sense_of_is_told_without_its_secret(
    leaks: Leaks, simulator: Simulator, sink: Sink
) -> None:
    nobody, mail = "127.0.0.1:9", "mailtos://ann:{}word@127.0.0.1:9?smtp=127.0.0.1&from=a@example.org"
    channels = {f"refused {name}": url for name, url in urls(nobody, mail.format(MARK)).items()}
    for scheme in ("jsons", "forms", "xmls", "ntfys", "gotifys"):
        channels[f"no TLS {scheme}"] = f"{scheme}://ann:{MARK}word@{sink.address}/{MARK}TokenAb1"
    for number, url in enumerate(
        (
            f"slack://{MARK}/x",
            f"tgram://{MARK}",
            f"discord://{MARK}",
            f"nosuch://{MARK}:{MARK}@x",
            f"json://[{MARK}",
            f"json://ann:{MARK}@host:{MARK}/",
            f"https://example.org/{MARK}",
            f"mailto://ann:{MARK}@",
            f"gotify://{MARK}",
            f"matrix://{MARK}:{MARK}@?mode={MARK}",
            f"workflows://{MARK}/{MARK}",
            f"twilio://{MARK}",
            f"pover://{MARK}",
        )
    ):
        channels[f"invalid {number}"] = url
    leaks.configure({name: inline(url) for name, url in channels.items()})
    leaks.run("--verbose", "--check")
    for _ in range(STEPS):
        simulator.advance()
        if leaks.run("--verbose", "--check").code == 75:
            break
    assert leaks.run("--verbose", "config", "check").code == 78
    ran = leaks.run("--verbose", "channels", "test")
    assert ran.out.count("failed") >= len(channels) - 3  # named services go to the sink
    leaks.everything()
    leaks.run("--verbose", "--check", BREAK="yes")
    leaks.run("--verbose", "channels", "test", BREAK="yes")
    leaks.assert_none()


@pytest.mark.slow
def test_wherever_a_url_comes_from_it_stays_there(leaks: Leaks, simulator: Simulator, sink: Sink) -> None:
    folder = leaks.watcher.folder
    credentials = folder / "credentials"
    credentials.mkdir()
    url = f"json://ann:{MARK}word@{sink.address}/{MARK}path"
    (folder / "url").write_text(f"{url}/from-file\r\n\n")
    (credentials / "team").write_text(f"{url}/from-credential\n")
    (folder / "broken").write_text(f"{MARK}\n{url}\n")
    (folder / "bytes").write_bytes(MARK.encode() + b"\xff")
    leaks.holders |= {"url", "team", "broken", "bytes"}
    leaks.env |= {"TEAM_URL": f"{url}/from-variable\n", "EMPTY": "", "WRONG": f"{MARK} and {MARK}"}
    leaks.env |= {"CREDENTIALS_DIRECTORY": str(credentials), "OPENROUTER_API_KEY": f"sk-or-v1-{MARK}"}
    leaks.configure(
        {
            "file": 'url_file = "url"',
            "credential": 'url_file = "${CREDENTIALS_DIRECTORY}/team"',
            "variable": 'url_env = "TEAM_URL"',
            "broken": 'url_file = "broken"',
            "bytes": 'url_file = "bytes"',
            "missing": 'url_file = "missing"',
            "folder": 'url_file = "credentials"',
            "empty": 'url_env = "EMPTY"',
            "unset": 'url_env = "UNSET"',
            "wrong": 'url_env = "WRONG"',
        }
    )
    leaks.run("--verbose", "--check")
    for _ in range(STEPS):
        simulator.advance()
        leaks.run("--verbose", "--check")
        if sink.requests:
            break
    paths = {request.path.partition("?")[0] for request in sink.requests}
    assert paths == {f"/{MARK}path/from-{source}" for source in ("file", "credential", "variable")}
    sink.status = 500
    leaks.run("--verbose", "channels", "test")
    leaks.everything()
    leaks.assert_none()


@pytest.mark.slow
def test_a_running_watcher_keeps_secrets_too(leaks: Leaks, simulator: Simulator, sink: Sink) -> None:
    sink.status = 500
    leaks.configure({name: inline(url) for name, url in urls(sink.address, "").items() if url})
    leaks.run("--verbose", "--check")
    simulator.advance()
    simulator.advance()
    log = leaks.watcher.folder.parent / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*TOGETHER, sys.executable, "-m", "watcher", "--verbose", "run"],
            cwd=leaks.watcher.folder,
            env={**clean_environment(), **leaks.env},
            stdout=output,
            stderr=output,
        )
        try:
            end = time.monotonic() + 30
            while len(sink.requests) < 11 and time.monotonic() < end and process.poll() is None:
                time.sleep(0.05)
            leaks.said.append(("cmdline", Path(f"/proc/{process.pid}/cmdline").read_text()))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    leaks.said.append(("run", log.read_text()))
    assert len(sink.requests) >= 11, log.read_text()[-2000:]
    leaks.assert_none()


@pytest.mark.slow
def test_a_wrong_configuration_is_explained_without_its_secrets(leaks: Leaks, sink: Sink) -> None:
    for text in (
        f"[[channels]]\nname = 'a'\nurl = 'json://{MARK}'\nurl_env = 'X'\n",
        f"[[channels]]\nname = 'a'\nurl = '{MARK}'\n",
        f"[[channels]]\nname = 'a'\nurl = ['{MARK}']\n",
        f"[[channels]]\nname = 'a'\nurl = 'json://{MARK}\n",
        f"[[channels]]\nname = 'a'\nurl = 'json://x'\npassword = '{MARK}'\n",
    ):
        leaks.watcher.configure(leaks.head + text)
        for arguments in (("--check",), ("config", "check"), ("config", "show"), ("channels", "test")):
            assert leaks.run("--verbose", *arguments).code == 78
    leaks.assert_none()


def test_a_configuration_that_others_can_read_is_warned_about(leaks: Leaks, sink: Sink) -> None:
    leaks.configure({"hook": inline(f"json://{sink.address}/{MARK}")})
    path = leaks.watcher.folder / "config.toml"
    assert "can be read by others" not in leaks.run("config", "check").err
    path.chmod(0o644)
    ran = leaks.run("config", "check")
    assert "config.toml: holds a secret URL and can be read by others; chmod 600 " in ran.out + ran.err
    leaks.assert_none()
