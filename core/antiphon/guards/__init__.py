"""Guards: whether a delivery may run now, decided by one atomic script for all replicas."""
