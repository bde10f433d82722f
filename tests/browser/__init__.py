"""The example shop in a real browser, with a real worker."""
