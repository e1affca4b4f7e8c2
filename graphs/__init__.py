"""How specialists work together: state machines, self-correction, approvals."""
