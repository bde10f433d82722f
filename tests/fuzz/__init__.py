"""Random hostile and odd input, found by hypothesis."""
