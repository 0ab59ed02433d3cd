"""The report of a load test: one HTML file that needs nothing else.

It is drawn without a script and without a library of charts, so that it can be mailed, printed, and opened where scripts are
forbidden; and so that a test can read all of it.
"""
