"""Long runs, bounded in time: `make soak`."""
