"""How events are combined: joins."""
