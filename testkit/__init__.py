"""Code that tests and benchmarks share: receivers, the command, recorded archives, measurements of announcements."""
