"""What the command line's global options hand to every verb."""

import os
from dataclasses import dataclass
from pathlib import Path

from watcher.config import Config, find_config, load_config
from watcher.errors import UsageError


@dataclass(frozen=True)
class Context:
    """`ctx.obj`: the global options."""

    config_path: Path | None = None
    """`--config`; None: looked for in the usual places."""
    verbose: bool = False

    def find(self) -> Path | None:
        """The configuration file to use, or None for the defaults. Raises ConfigError."""
        try:
            folder = Path.cwd()
        except OSError as error:
            raise UsageError(f"the current folder cannot be used: {error.strerror}") from None
        return find_config(self.config_path, os.environ, folder)

    def load(self) -> Config:
        """The configuration to use. Raises ConfigError, with one line for each mistake."""
        return load_config(self.find(), os.environ)
