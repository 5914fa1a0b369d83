"""How orders and other requests of traders are accepted: checked, their money or GPUs held, and logged."""
