"""Simulated hearts, looked at through simulated probes."""
