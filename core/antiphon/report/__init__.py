"""Reports made from the record itself: on one recovery, and on all of a quarter."""
