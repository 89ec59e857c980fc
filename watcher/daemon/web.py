"""The API inside `watcher run`: it starts, changes and ends with the configuration."""

from logging import getLogger
from typing import TYPE_CHECKING

from watcher.config.settings import Config
from watcher.errors import ConfigError

if TYPE_CHECKING:
    from watcher.web.server import WebServer

_log = getLogger("watcher")


class Web:
    """The web server of a daemon, if `[web] listen` is set."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._server: WebServer | None = None

    def use(self, config: Config) -> None:
        """Serve what this configuration says. Raises ConfigError, and then goes on as before."""
        before = self._config
        if before is not None and _served(before) == _served(config):
            return
        self.stop()
        try:
            self._start(config)
        except ConfigError:
            if before is not None:
                self._start(before)
            raise

    def stop(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.stop()
        self._server = self._config = None

    def _start(self, config: Config) -> None:
        if config.web.listen is not None:
            from watcher.web.server import WebServer

            self._server = WebServer(config)
            self._server.start()
            _log.info("serving the models API at %s/api/v1", self._server.url)
        self._config = config


def _served(config: Config) -> tuple[object, ...]:
    names = [channel.name for channel in config.channels]
    return config.web, config.store.url, config.source.interval, config.mine, names
