"""The theory's own prediction: one n_balance for all benchmarks of a model."""
