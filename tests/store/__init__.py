"""Everything on disk: exact bytes, real failures of the kernel, and what survives them."""
