"""OpenAI's Realtime protocol, GA, over a WebSocket; also of other servers that speak it."""
