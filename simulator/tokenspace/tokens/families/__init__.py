"""Families of covariances that are fitted to tokens, one a file: a new file is found by itself."""

from tokenspace.tokens.families.base import TokenFamily, known_families
from tokenspace.tokens.families.place import Place, place_of

__all__ = ["Place", "TokenFamily", "known_families", "place_of"]
