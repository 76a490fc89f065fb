"""EchoNet-Dynamic."""
