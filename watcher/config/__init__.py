"""`config.toml` → `Config`. One table (`options`) says what can be set; everything else here follows from it."""

from watcher.config.find import find_config
from watcher.config.load import check_config, load_config
from watcher.config.settings import Channel, Config, Rules, Source, Store

__all__ = ["Channel", "Config", "Rules", "Source", "Store", "check_config", "find_config", "load_config"]
