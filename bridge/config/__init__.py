"""The whole of the settings: layers, routes, and the check of them. The only reader of the environment."""
