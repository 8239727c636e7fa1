"""What a person reads: sections, tables, plots."""
