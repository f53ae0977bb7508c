"""Values, worlds and ratios of densities that networks learn from logged rows."""
