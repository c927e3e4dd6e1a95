"""A shop of real processes that fails on command, and the handlers that bring it back."""
