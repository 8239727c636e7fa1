"""A run: pass after pass, a process per family of engines, one at work at a time."""
