"""`config.toml` → `Config`. One table (`options`) says what can be set; everything else here follows from it."""

from watcher.config.find import find_config
from watcher.config.load import check_config, load_config
from watcher.config.settings import Channel, Config, Delivery, Health, Rules, Source, Store, Template, Timing

__all__ = [
    "Channel",
    "Config",
    "Delivery",
    "Health",
    "Rules",
    "Source",
    "Store",
    "Template",
    "Timing",
    "check_config",
    "find_config",
    "load_config",
]
