"""What pages share: frame, filter bar, charts, tables, states, formats."""
