"""Processes are killed at random while tasks are asked for and run."""
