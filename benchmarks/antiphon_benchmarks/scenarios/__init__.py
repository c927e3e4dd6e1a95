"""What is measured, each in one module."""
