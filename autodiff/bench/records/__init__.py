"""What is kept: a record per measurement, in the folder of a run."""
