"""voicebridge: carries telephone calls between carriers' media streams and voice assistants."""
