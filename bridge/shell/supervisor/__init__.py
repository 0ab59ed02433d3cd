"""Worker processes: one process accepts connections and passes each to the worker that shall have it."""
