"""`watcher changes`: what was announced."""

from datetime import UTC, datetime

import click
from msgspec import UNSET

from watcher.catalog.model import KINDS, Event
from watcher.cli.arguments import when
from watcher.cli.completion import model_ids
from watcher.cli.output import did_you_mean, format_time, print_json, print_table, warn
from watcher.cli.setup import Context, describe_future, open_session
from watcher.errors import NothingFoundError
from watcher.messages.headline import headline
from watcher.messages.text import visible
from watcher.messages.wording import changes_text


@click.command(epilog="Example: watcher changes --since yesterday --kind repriced")
@click.option("--since", type=when, metavar="WHEN", help="From then on: 2026-01-04, 2026-01, yesterday, or 7d ago.")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS, case_sensitive=False),
    metavar="KIND",
    multiple=True,
    help="Only this kind, such as new or repriced; can be repeated.",
)
@click.option("--model", metavar="ID", shell_complete=model_ids, help="Only events about this model.")
@click.option("--limit", type=click.IntRange(1, 1_000_000_000), metavar="N", help="Only the newest N.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON list of events.")
@click.pass_obj
def changes(
    context: Context,
    since: datetime | None,
    kinds: tuple[str, ...],
    model: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List announced events, oldest first. `watcher render --event ID` shows one whole."""
    wanted = kinds or [kind for kind in KINDS if kind != "alive"]  # a heartbeat is no change
    with open_session(context.load()) as session:
        future = describe_future(session, datetime.now(UTC))
        events = session.history.events(since=since, kinds=wanted, about=[model] if model else None, limit=limit)
        ids = [known.id for known in session.history.known()] if model is not None and not events else []
    if future is not None:
        warn(future)
    if as_json:
        print_json(events)
    if not events:
        about = f" about {visible(model)!r}{'' if model in ids else did_you_mean(model, ids)}" if model else ""
        raise NothingFoundError(f"nothing like that was announced{about}")
    if not as_json:
        rows = [
            (format_time(event.at), event.id, event.kind, visible(event.model or event.name), what_changed(event))
            for event in events
        ]
        print_table(("announced", "id", "kind", "model", "what"), rows)


def what_changed(event: Event) -> str:
    """Return what changed, old and new; where nothing did, such as for a new model, the headline."""
    changed = "" if event.kind == "expiring" else changes_text(event.prices, event.fields)
    detail = visible(event.detail or "", 500)
    if changed and event.provider is not UNSET:
        changed = f"{visible(str(event.provider))}: {changed}"
    if not changed and (not detail or event.provider is not UNSET):
        changed = headline((event,))
    text = "; ".join(filter(None, (changed, detail)))
    return f"{text} (imported)" if "imported" in event.marks else text
