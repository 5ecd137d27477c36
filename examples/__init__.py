"""One script for each figure, theory against numerics. `python -m examples` draws them all."""
