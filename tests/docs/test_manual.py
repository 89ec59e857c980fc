"""The manual pages are what the program is, and what a formatter can read."""

import ast
import re
import shutil
import subprocess

import pytest

from tests.docs.documents import DOCS, ROOT, first_cells, part, text
from tools import manual
from watcher import errors
from watcher.config.options import OPTIONS
from watcher.network import CERTIFICATES

MAN = DOCS / "man"


READ_ELSEWHERE = {
    *(
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        *CERTIFICATES,
    ),  # by names that watcher.network puts together
    *("PGPASSFILE", "NO_COLOR"),  # libpq, rich
}


def variables() -> set[str]:
    """The environment variables that the program reads: what stands beside `environ` in its code."""
    found: set[str] = set()
    for file in (ROOT / "watcher").rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        constants = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            if isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            match node:
                case ast.Call() | ast.Subscript() | ast.Compare() if "environ" in _names(node):
                    words = [one for one in ast.walk(node) if isinstance(one, ast.Constant | ast.Name)]
                    values = [one.value if isinstance(one, ast.Constant) else constants.get(one.id) for one in words]
                    found |= {value for value in values if isinstance(value, str) and VARIABLE.fullmatch(value)}
    return found


VARIABLE = re.compile(r"[A-Z][A-Z_]{3,}")


def _names(node: ast.Call | ast.Subscript | ast.Compare) -> set[str]:
    """The names on which a call, a subscript or a comparison works at once."""
    parts: list[ast.expr] = [node.value] if isinstance(node, ast.Subscript) else []
    if isinstance(node, ast.Call):
        parts = [*node.args, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
    if isinstance(node, ast.Compare):
        parts = node.comparators
    return {getattr(one, "id", "") or getattr(one, "attr", "") for one in parts}


def formatted(name: str) -> str:
    """A page as `man` shows it on a wide terminal."""
    if shutil.which("man") is None:
        pytest.skip("no man to format the page with")
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-P", "cat", "-l", str(MAN / name)],
        capture_output=True,
        text=True,
        check=True,
        env={"MANWIDTH": "1000", "PATH": "/usr/bin:/bin", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"},
    )
    assert done.stderr == ""
    return re.sub(r".\x08", "", done.stdout)


@pytest.mark.parametrize("name", manual.PAGES)
def test_the_page_in_the_repository_is_the_one_of_the_program(name: str) -> None:
    command = "python -m tools.manual docs/man"
    assert (MAN / name).read_text("utf-8") == manual.PAGES[name](), f"run: {command}"


def test_every_page_is_made() -> None:
    assert {path.name for path in MAN.iterdir()} == set(manual.PAGES)


def test_every_command_and_option_is_shown() -> None:
    shown = formatted("watcher.1")
    for names, command in manual.commands():
        assert re.search(rf"^ *watcher {' '.join(names)}( |$)", shown, re.MULTILINE), names
        for param in command.params:
            for name in (name for name in param.opts if name.startswith("--")):
                assert name in shown, (names, name)


def test_every_option_of_the_configuration_is_shown() -> None:
    shown = formatted("openrouter-watcher.toml.5")
    for option in OPTIONS:
        assert re.search(rf"^ +{option.key}\b", shown, re.MULTILINE), option.key
        assert " ".join(option.doc.replace("`", "").replace("…", "...").split()) in " ".join(shown.split())


def test_exit_codes_are_those_of_the_errors_and_of_the_guide() -> None:
    guide = {int(cell) for cell in re.findall(r"^\| (\d+) \|", part(text("usage.md"), "Exit codes"), re.MULTILINE)}
    raised = {one.exit_code for one in vars(errors).values() if isinstance(one, type)}
    assert set(manual.EXIT_CODES) == guide
    assert raised <= guide
    assert first_cells(part(text("usage.md"), "Exit codes")) == set()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a-b", "a\\-b"),
        ("back\\slash", "back\\eslash"),
        ('say "it"', "say \\(dqit\\(dq"),
        ("`watcher -h` helps", "\\fBwatcher \\-h\\fR helps"),
        (".TH is no request", "\\&.TH is no request"),
        ("'quoted'", "\\(aqquoted\\(aq"),
        ("and so on …", "and so on ..."),
    ],
)
def test_text_stays_text(said: str, shown: str) -> None:
    assert manual._lines(said) == [shown]


def test_no_line_begins_with_a_dot_that_was_meant_as_one() -> None:
    lines = manual._lines("word .TH " * 100)
    assert len(lines) > 10
    assert {line[0] for line in lines} <= {"w", "\\"}


@pytest.mark.parametrize("name", manual.PAGES)
def test_a_page_needs_no_encoding_and_has_no_long_lines(name: str) -> None:
    page = manual.PAGES[name]()
    assert page.isascii()
    assert [line for line in page.splitlines() if len(line) > 80 and not line.startswith(".SS")] == []


def test_every_variable_is_told_that_is_read_and_no_other() -> None:
    told = {name for names in manual.ENVIRONMENT for name in names.split(", ")}
    assert told == variables() - {"COMP_LINE"} | READ_ELSEWHERE  # that one is bash's own, for its completion


def test_the_guide_has_the_same_variables() -> None:
    rows = [
        f"| {', '.join(f'`{name}`' for name in names.split(', '))} | {means} |"
        for names, means in manual.ENVIRONMENT.items()
    ]
    table = [line for line in part(text("usage.md"), "Environment").splitlines() if line.startswith("| `")]
    assert table == rows, "docs/usage.md needs these rows:\n" + "\n".join(rows)
