"""The schema is that of the migrations, in a checkout and in an installed wheel, and Alembic comes only when due."""

import importlib.util
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect

from tests.store.conftest import url
from tests.store.processes import run
from tests.store.samples import contents
from watcher.errors import StoreError
from watcher.store import engine as engines
from watcher.store.records import REVISIONS
from watcher.store.schema import metadata
from watcher.store.store import Store

ROOT = Path(__file__).parents[2]

NEXT = """
import sqlalchemy as sa
from alembic import op
revision = "next"
down_revision = "{before}"
def upgrade():
    op.add_column("models", sa.Column("more", sa.Text()))
    op.create_table("more", sa.Column("text", sa.Text()))
    op.execute("DELETE FROM deliveries")
    {then}
"""

LOADED = """
import json, sys
from watcher.store.store import Store
Store.open(sys.argv[1]).close()
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] in ("alembic", "mako"))))
"""

INSTALLED = """
import json, sys
import watcher
from watcher.store.store import Store
from watcher.store.engine import migrations_folder
with Store.open(sys.argv[1]) as store, store.reading() as session:
    print(json.dumps([watcher.__file__, str(migrations_folder()), len(session.state.model_states())]))
"""


def described(engine: Engine) -> dict[str, Any]:
    """Return what the database says of its tables."""
    looked = inspect(engine)
    return {
        name: {
            "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in looked.get_columns(name)],
            "key": looked.get_pk_constraint(name)["constrained_columns"],
            "foreign": looked.get_foreign_keys(name),
            "unique": looked.get_unique_constraints(name),
            "indexes": looked.get_indexes(name),
        }
        for name in looked.get_table_names()
    }


@pytest.fixture
def migrated() -> Iterator[Engine]:
    """A database in memory that all migrations have been applied to, from nothing."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        engines.migrate(connection)
    yield engine
    engine.dispose()


def test_the_migrations_make_the_tables_of_the_code(migrated: Engine) -> None:
    with migrated.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []


def test_a_new_database_is_as_the_migrations_would_have_made_it(migrated: Engine, empty: Path) -> None:
    new = create_engine(url(empty))
    assert described(new) == described(migrated)
    new.dispose()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_a_database_of_each_earlier_version_is_brought_forward(revision: str, filled: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    engine = create_engine(url(old))
    with engine.begin() as connection:
        engines.migrate(connection, revision)
    with sqlite3.connect(old) as connection:
        connection.execute("ATTACH ? AS newer", [str(filled)])
        for table in metadata.sorted_tables:
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table.name})"))
            if columns:  # else the version had no such table
                connection.execute(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM newer.{table.name}")
    connection.close()
    engine.dispose()
    with Store.open(url(old)) as store, Store.open(url(filled)) as newer:
        assert (store.upgrade().before, store.upgrade().after) == (revision, REVISIONS[-1])
        assert contents(store) == contents(newer)


def test_the_code_knows_all_migrations_in_their_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(engines.migrations_folder()))
    scripts = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(scripts)) == REVISIONS


def test_opening_a_current_database_does_not_load_alembic(path: Path) -> None:
    assert run(LOADED, url(path)) == []


def test_nor_does_creating_one(tmp_path: Path) -> None:
    assert run(LOADED, url(tmp_path / "new.db")) == []


def test_a_percent_sign_in_the_folder_of_the_migrations_is_just_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(engines.migrations_folder(), tmp_path / "100%s of them"))
    monkeypatch.setattr(engines, "migrations_folder", lambda: folder)
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        engines.migrate(connection)
    assert "models" in described(engine)
    engine.dispose()


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of one more migration, which this version then knows."""
    folder = Path(shutil.copytree(engines.migrations_folder(), tmp_path / "migrations"))
    monkeypatch.setattr(engines, "migrations_folder", lambda: folder)
    monkeypatch.setattr(engines, "REVISIONS", (*REVISIONS, "next"))
    file = folder / "versions" / "next.py"
    file.write_text(NEXT.format(before=REVISIONS[-1], then="pass"))
    return file


def test_a_database_of_an_older_version_is_brought_forward_with_its_data(filled: Path, next_version: Path) -> None:
    with sqlite3.connect(filled) as connection:
        before = connection.execute("SELECT * FROM models").fetchall()
    connection.close()
    Store.open(url(filled)).close()
    with sqlite3.connect(filled) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("next",)]
        assert connection.execute("SELECT * FROM models").fetchall() == [(*row, None) for row in before]
    connection.close()


def test_it_is_copied_before_it_is_brought_forward(filled: Path, next_version: Path) -> None:
    with Store.open(url(filled)) as store:
        opened = store.upgrade()
    assert (opened.before, opened.after) == (REVISIONS[-1], "next")
    assert opened.backup == filled.with_name("watcher.db.before-next")
    with sqlite3.connect(opened.backup) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISIONS[-1],)]
        assert connection.execute("SELECT count(*) FROM deliveries").fetchone() == (20,)
    connection.close()
    with Store.open(url(filled)) as store:
        again = store.upgrade()
    assert (again.before, again.after, again.backup) == ("next", "next", None)


def test_a_new_database_is_not_copied(tmp_path: Path) -> None:
    with Store.open(url(tmp_path / "new.db")) as store:
        assert (store.upgrade().before, store.upgrade().backup) == (None, None)
    assert [file.name for file in tmp_path.iterdir()] == ["new.db"]


def test_a_damaged_database_is_not_brought_forward(filled: Path, next_version: Path) -> None:
    content = bytearray(filled.read_bytes())
    content[5 * 4096 : 6 * 4096] = bytes(4096)
    filled.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged; nothing was written"):
        Store.open(url(filled))
    assert filled.read_bytes() == content
    assert not list(filled.parent.glob("*-*"))


def test_where_there_is_no_room_for_the_copy_it_is_not_brought_forward(
    filled: Path, next_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> Path:
        raise StoreError("The disk is full.")

    monkeypatch.setattr(engines, "copy_database", full)
    before = filled.read_bytes()
    with pytest.raises(StoreError, match="disk is full"):
        Store.open(url(filled))
    assert filled.read_bytes() == before


@pytest.mark.parametrize("then", ['op.execute("DROP TABLE nothing")', 'raise ValueError("a bug")'])
def test_a_migration_that_fails_in_the_middle_leaves_the_database_as_it_was(
    then: str, filled: Path, next_version: Path
) -> None:
    next_version.write_text(NEXT.format(before=REVISIONS[-1], then=then))
    before = filled.read_bytes()
    with pytest.raises((StoreError, ValueError)):
        Store.open(url(filled))
    assert filled.read_bytes() == before
    assert not list(filled.parent.glob("*-*"))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling, the build backend, is missing")
def test_the_wheel_carries_the_migrations_and_works_from_where_it_is_unpacked(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(ROOT),
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(site)
    shipped = {name for name in names if name.startswith("watcher/migrations/") and name.endswith(".py")}
    manual = {f"share/man/man{page.suffix[1:]}/{page.name}" for page in (ROOT / "docs/man").iterdir()}
    completion = {
        "share/bash-completion/completions/watcher",
        "share/fish/vendor_completions.d/watcher.fish",
        "share/zsh/site-functions/_watcher",
    }
    assert {name.partition(".data/data/")[2] for name in names if ".data/data/" in name} == manual | completion
    beside = (ROOT / "migrations").rglob("*.py")
    assert shipped == {f"watcher/migrations/{path.relative_to(ROOT / 'migrations')}" for path in beside}
    assert {"watcher/migrations/env.py", f"watcher/migrations/versions/{REVISIONS[0]}_first.py"} <= shipped

    done = subprocess.run(
        [sys.executable, "-c", INSTALLED, url(tmp_path / "watcher.db")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f'["{site}/watcher/__init__.py", "{site}/watcher/migrations", 0]'
