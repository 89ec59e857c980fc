"""openrouter-watcher: announces what changed in OpenRouter's model catalogue."""

__version__ = "0.1.0"
