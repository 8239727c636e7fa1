"""Linear maps between structured tangents: what a derivative is before it is numbers."""
