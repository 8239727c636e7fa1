"""The harness: sweep file, cases, verified measurements, records, statistics, plots, report."""
