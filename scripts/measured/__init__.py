"""What `scripts/measure` measures and how: servers and load tests in processes of their own, figures, and their page."""
