"""The simulated Telnyx: media streams, TeXML and Call Control webhooks, and its REST API."""
