"""Motet: durable, supervised, replayable multi-agent services on LangGraph.

Public names live in the six packages; this module holds the version alone, so that importing
`motet.errors` costs nothing.
"""

__version__ = "0.1.0"
