"""All that speaks to Redis and FastStream."""
