"""Simulate hearts, and ultrasound pictures of them."""
