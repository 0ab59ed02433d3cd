"""The assistants' dialects; `registry` lists them."""
