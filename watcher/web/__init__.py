"""`watcher web`: the models API over our own database, by HTTP. Only this package imports uvicorn."""
