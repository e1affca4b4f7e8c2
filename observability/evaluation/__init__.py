"""Agent evaluation: examples, evaluators, experiments, statistics and reports. Imports nothing by itself."""
