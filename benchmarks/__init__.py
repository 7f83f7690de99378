"""How fast is graphc, beside its peers and beside the machine's floor? `python -m benchmarks` answers."""
