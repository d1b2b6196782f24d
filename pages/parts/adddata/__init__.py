"""Add data: a source is chosen, looked at, its columns and rules corrected, and loaded in the background."""
