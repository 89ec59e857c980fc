"""A configuration with all that it names, swapped as one value."""

import pytest

from watcher.config.secret import DatabaseURL
from watcher.config.settings import Config, SourceSettings, StoreSettings
from watcher.daemon.setup import Setup, Setups


class Closing:
    """A source or a store that notes that it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def setup(store: Closing | None = None) -> Setup:
    config = Config(None, SourceSettings(), StoreSettings(DatabaseURL("sqlite:///w.db")))
    return Setup(config, Closing(), store or Closing(), lambda _channel, _events: None)  # type: ignore[arg-type]


def closed(one: Setup) -> tuple[bool, bool]:
    return one.upstream.closed, one.store.closed  # type: ignore[attr-defined]


@pytest.fixture
def setups() -> Setups:
    setups = Setups()
    setups.replace(setup())
    return setups


def test_who_uses_a_setup_keeps_it_whatever_replaces_it(setups: Setups) -> None:
    new = setup()
    with setups.use() as old:
        setups.replace(new)
        assert closed(old) == (False, False)
        with setups.use() as other:
            assert other is new
    assert closed(old) == (True, True)
    assert closed(new) == (False, False)


def test_the_last_of_its_users_closes_it(setups: Setups) -> None:
    with setups.use() as old:
        with setups.use():
            setups.replace(setup())
        assert closed(old) == (False, False)
    assert closed(old) == (True, True)


def test_a_setup_that_nobody_uses_is_closed_when_it_is_replaced(setups: Setups) -> None:
    old = setups.current
    assert old is not None
    setups.replace(setup())
    assert closed(old) == (True, True)


def test_a_store_that_the_new_setup_has_too_stays_open(setups: Setups) -> None:
    store = Closing()
    first, second, third = setup(store), setup(store), setup()
    setups.replace(first)
    with setups.use():
        setups.replace(second)
        setups.replace(third)
        assert closed(second) == (True, False), "the first one has it still"
    assert closed(first) == (True, True)


def test_an_error_of_a_user_keeps_nothing_open(setups: Setups) -> None:
    with pytest.raises(KeyError), setups.use() as old:
        setups.replace(setup())
        raise KeyError
    assert closed(old) == (True, True)


def test_at_the_end_all_is_closed_but_the_sources_that_hang(setups: Setups) -> None:
    with setups.use() as hanging:
        new = setup()
        setups.replace(new)
        setups.close()
        assert closed(hanging) == (False, True)
    assert closed(new) == (True, True)
