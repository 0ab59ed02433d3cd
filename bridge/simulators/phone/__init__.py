"""The pretend phone: a carrier's side of a call, for trying, measuring and testing the bridge without a carrier."""
