"""The timeline index: events sorted by user and time in memory-mapped columns, walked by compiled kernels."""
