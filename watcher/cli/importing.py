"""`watcher import ARCHIVE…`: months of history for a watcher that starts today."""

import click

from watcher.cli.output import print_json, warn
from watcher.cli.setup import Context, open_store, read_archives
from watcher.rebuild import in_order, rebuild_history


@click.command("import", epilog="Example: watcher import snapshots.tar.xz")
@click.argument("archives", metavar="ARCHIVE…", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
@click.pass_obj
def import_history(context: Context, archives: tuple[str, ...], as_json: bool) -> None:
    """Add recorded snapshots to the database. This adds prices, presence and past events; nothing is sent.

    Archives can be imported in any order and more than once: no snapshot is added twice. Polls by the watcher itself
    stay as they are, and snapshots from later than the first of them are left out.

    An ARCHIVE is a folder or tar file of response bodies named by their UTC time, or git+PATH#FILE.
    """
    config = context.load()
    problems: list[str] = []
    recorded = read_archives(archives, problems.append)
    with open_store(config) as store, store.writing() as session:
        before = len(list(session.imported.times()))
        first_live = session.imported.first_live()
        seen = in_order(session.imported.captures(), recorded, first_live, problems)
        history = rebuild_history(seen, config, problems)
        session.imported.replace(history)
    for problem in problems:
        warn(problem)
    summary = {
        "snapshots": len(history.polls),
        "added": len(history.polls) - before,
        "models": len(history.first_seen),
        "versions": len(history.versions),
        "events": len(history.events),
        "from": history.polls[0][0] if history.polls else None,
        "to": history.polls[-1][0] if history.polls else None,
    }
    if as_json:
        print_json(summary)
    else:
        click.echo(
            "imported history: {snapshots} snapshots ({added} of them new), {models} models, "
            "{versions} versions, {events} events".format_map(summary)
        )
