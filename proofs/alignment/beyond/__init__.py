"""What lies beyond the alignment paper: higher dimensions, other kernels, several teachers."""
