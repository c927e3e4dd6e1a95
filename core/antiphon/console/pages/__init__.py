"""The pages of the console, one subject each."""
