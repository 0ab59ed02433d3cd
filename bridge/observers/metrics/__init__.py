"""Figures for Prometheus: what is counted, how the words of a call become samples, and how those of workers are added."""
