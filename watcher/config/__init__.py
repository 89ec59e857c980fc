"""`config.toml` → `Config`. The structs in `settings` declare what can be set; everything else follows from them."""

from watcher.config.find import find_config
from watcher.config.load import check_config, load_config
from watcher.config.settings import Channel, Config

__all__ = ["Channel", "Config", "check_config", "find_config", "load_config"]
