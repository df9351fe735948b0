"""The functional core: values in, values out; no clock, no files, no processes."""
