"""MXNet's files: symbols and parameters."""
