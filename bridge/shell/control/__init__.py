"""The control API: who may see the calls under way and steer them over HTTP, and what they see."""
