"""The specialists, one state machine each."""
