"""The harness, a room for each step: ask, run, measure, records, judge, report.

Data goes in that order. A room imports from those below it only: ``ask`` from none, ``records`` from ``ask``, then on
one side ``judge`` and ``report``, on the other ``measure``, and above all of them ``run``.
"""
