"""The simulated phone: calls the bridge as a carrier would, to try, measure and test it without a carrier."""
