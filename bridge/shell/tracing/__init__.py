"""Traces of calls, sent by OTLP over HTTP: which calls are traced, and the thread that sends."""
