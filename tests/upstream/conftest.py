"""Keeps the machine's own proxies and keys out of the tests."""

import os

import pytest


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "OPENROUTER_API_KEY" or name.startswith("GIT_"):
            monkeypatch.delenv(name)
