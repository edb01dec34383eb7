"""What carries a connection."""
