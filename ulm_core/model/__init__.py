"""The model: item text, user towers, stage conditioning, heads and losses."""
