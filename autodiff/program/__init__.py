"""Programs: instructions over one block of memory, how they are written, laid out, counted and printed."""
