"""Sweeps that ship with the package as TOML files; `make demo` runs demo.toml."""
