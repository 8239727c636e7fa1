"""What the records say: results, intervals, growth, noise, and one run against another."""
