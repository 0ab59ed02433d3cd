"""The carriers, one folder each: streams, webhooks, REST requests, settings. `registry` lists them."""
