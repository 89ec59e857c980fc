"""The pages of `watcher web` for people, each also as JSON and as Markdown."""
