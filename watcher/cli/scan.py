"""`watcher scan PATH…`: ids of models in code and configuration, and what has become of the models."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click

from watcher.cli.arguments import argument, when
from watcher.cli.output import format_count, print_json, print_table, warn
from watcher.cli.setup import Context, reading_fresh
from watcher.messages.text import visible
from watcher.mine.ids import Dictionary
from watcher.mine.report import Condition, Finding, as_github, as_json, as_sarif, read_condition, words
from watcher.mine.scan import scan as scan_paths
from watcher.mine.status import statuses

FAILED, INCOMPLETE = 1, 66
_LONGEST_PATH = 500
_SHOWN = 5


@click.command(epilog="Example: watcher scan . --fail-on gone,expiring=14d")
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--exclude", metavar="PATTERN", multiple=True, help="Leave out such files, as in .gitignore; repeatable.")
@click.option(
    "--fail-on",
    type=argument(lambda words: [read_condition(word) for word in words.split(",")]),
    metavar="WHAT,…",
    multiple=True,
    help="Exit with 1 on any of gone, expiring=14d, repriced=20%, unknown.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    metavar="FORMAT",
    default="text",
    show_default=True,
    help="Print text, json, sarif, or workflow commands for github.",
)
@click.option(
    "--since", type=when, metavar="WHEN", default="30d", show_default=True, help="Compare with the models of then."
)
@click.option("--max-age", type=when, metavar="WHEN", help="How old the last good poll may be. Default: as for status.")
@click.pass_obj
def scan(
    context: Context,
    paths: tuple[Path, ...],
    exclude: tuple[str, ...],
    fail_on: tuple[list[Condition], ...],
    form: str,
    since: datetime,
    max_age: datetime | None,
) -> int:
    """Find ids of models in files, and what has become of them.

    It reads the database and the files, and no network. It passes over links, binary files, files over 2 MB, what git
    ignores, and lines with "watcher: ignore".
    """
    config, now = context.load(), datetime.now(UTC)
    with reading_fresh(config, max_age, now) as session:
        states = session.state.model_states()
        then = session.history.facets(since)
    models = {model: state.model.facets.get("hugging_face_id") for model, state in states.items()}
    try:
        found = scan_paths(paths, Dictionary(models), exclude=exclude)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--exclude") from None
    status = statuses((hit.id for hit in found.hits), states, then, config.announce, now)
    conditions = [condition for each in fail_on for condition in each]
    findings = [
        Finding(hit, status[hit.id], any(condition(status[hit.id]) for condition in conditions)) for hit in found.hits
    ]
    if form == "json":
        print_json(as_json(found, findings, since))
    elif form == "sarif":
        print_json(as_sarif(found, findings, since))
    elif form == "github":
        for line in as_github(found, findings, since):
            click.echo(line)
    else:
        _print(findings, found.files, since)
    for problem in found.problems if form != "github" else ():
        warn(visible(problem, _LONGEST_PATH))
    if found.left_out:
        names = ", ".join(found.left_out[:_SHOWN]) + (", …" if found.left_out[_SHOWN:] else "")
        warn(f"left out: {names}; nothing there says that OpenRouter is meant: write openrouter/ before an id")
    if any(finding.fails for finding in findings):
        return FAILED
    return INCOMPLETE if conditions and found.problems else 0


def _print(findings: list[Finding], files: int, since: datetime) -> None:
    rows = [
        (f"{visible(each.hit.path, _LONGEST_PATH)}:{each.hit.line}", each.hit.id, words(each.status, since))
        for each in findings
    ]
    if rows:
        print_table(("where", "model", "state"), rows)
        click.echo()
    counts = Counter(finding.status.state for finding in findings)
    kinds = ", ".join(f"{number} {state}" for state, number in counts.items())
    click.echo(f"{format_count(len(findings), 'id')} in {format_count(files, 'file')}{': ' if kinds else ''}{kinds}")
