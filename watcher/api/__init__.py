"""OpenRouter's models API over any catalogue: pure functions over documents and a moment, without socket or clock."""
