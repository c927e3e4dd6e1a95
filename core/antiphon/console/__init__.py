"""The console: a cell in a browser, to look at and to act in."""
