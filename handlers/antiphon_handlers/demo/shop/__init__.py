"""The shop's four processes. They know nothing of Antiphon, as a real service would not."""
