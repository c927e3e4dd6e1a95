"""Ways to answer an event, each in one module: the framework and what it is compared with."""
