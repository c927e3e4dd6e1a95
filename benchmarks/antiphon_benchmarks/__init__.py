"""What a hop costs, with and without the guards, measured side by side."""
