"""Unity Imaging."""
