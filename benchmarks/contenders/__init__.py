"""Ours and the peers, each as its own documentation advises for speed."""
