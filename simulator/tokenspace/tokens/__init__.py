"""Tokens that are given, such as hidden states: reading, measuring, fitting a model to them."""
