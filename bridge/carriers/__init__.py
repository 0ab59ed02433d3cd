"""The carriers' dialects, one folder each; `registry` lists them."""
