"""The chores of a worker, one to a file."""
