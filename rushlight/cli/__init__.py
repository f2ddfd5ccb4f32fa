"""The command ``rushlight``: run, train, predict, info."""
