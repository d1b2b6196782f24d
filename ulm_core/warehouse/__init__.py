"""DuckDB: the system of record, and the immutable snapshots everybody else reads."""
