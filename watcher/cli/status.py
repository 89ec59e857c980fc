"""`watcher status`: whether the watching works."""

import click

from watcher.cli.opening import open_store, with_console
from watcher.cli.state import State
from watcher.cli.table import counted, print_json
from watcher.cli.when import told

UNHEALTHY = 69


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say when the source was read last, what was wrong with it, and what waits to be sent.

    Exits with 0 only if the last poll was good.
    """
    from watcher.alerts.text import visible

    state: State = ctx.obj
    config = with_console(state.load())
    with open_store(config) as store, store.reading() as session:
        last, standing = session.state.last_poll(), session.state.standing()
        models = sum(known.present for known in session.history.known())
        pending = session.outbox.pending()
    healthy = last is not None and last.outcome == "good"
    if as_json:
        print_json(
            {
                "healthy": healthy,
                "last_poll": last,
                "last_good": standing.last_good,
                "source": standing.health,
                "models": models,
                "pending": pending,
            }
        )
    else:
        health = standing.health
        if last is None:
            click.echo("never checked; run watcher --check")
        elif healthy:
            click.echo(f"healthy: last checked {told(last.at)} UTC, {counted(models, 'model')}")
        elif last.outcome == "refused":
            since = f" since {told(health.suspect_since)} UTC" if health.suspect_since else ""
            click.echo(f"the source is not believed{since}: {visible(last.reason, 500)}")
            click.echo("Nothing is taken from such a poll. One that only lacks many models is believed when the API's")
            click.echo(f"own count confirms it, or when {config.announce.confirm_suspect} polls in a row agree.")
        else:
            click.echo(f"the source cannot be read, {_polls(health.failures)}: {visible(last.reason, 500)}")
        if last is not None and not healthy:
            good = f"{told(standing.last_good)} UTC" if standing.last_good else "never"
            click.echo(f"last good poll: {good}; {counted(models, 'model')} then")
        if last is not None and last.feed:
            click.echo(f"the RSS feed was not used: {visible(last.feed, 500)}")
        for channel, number in sorted(pending.items()):
            click.echo(f"channel {channel}: {_waiting(number)}")
    ctx.exit(0 if healthy else UNHEALTHY)


def _polls(number: int) -> str:
    return "once" if number == 1 else f"{number} polls in a row"


def _waiting(number: int) -> str:
    return "1 delivery waits" if number == 1 else f"{number} deliveries wait"
