"""What a user would write instead: the naive way, and the best by hand with the same structure."""
