"""What both tests and benchmarks use: receivers, the command, recorded archives, and measures of what is announced."""
