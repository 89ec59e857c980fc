"""The database of what was seen, announced and sent; `store.Store` is its one door."""
