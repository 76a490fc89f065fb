"""Whether a model gives away which data set an image comes from."""
