"""One file a page: read the filters, call `ulm_core`, draw."""
