"""Work that outlives a browser tab: the queue and the worker."""
