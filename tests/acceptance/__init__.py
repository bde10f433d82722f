"""The installed commands, as processes, against real servers."""
