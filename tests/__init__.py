"""The tests of nereid_async."""
