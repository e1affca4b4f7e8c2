"""Statistics of evaluations: intervals, pass^k, paired tests, many metrics, power, agreement.

Imports nothing by itself. Its modules import scipy and statsmodels, which takes seconds: only what plans an
experiment or reports on one imports them.
"""
