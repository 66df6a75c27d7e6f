"""What `fit-tokens` finds of the tokens of one group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenspace.errors import InputError

if TYPE_CHECKING:
    from tokenspace.tokens.describe import TokenDescription
    from tokenspace.tokens.fit import TokenFit
    from tokenspace.tokens.pairs import Pairs


@dataclass(frozen=True)
class FittedTokens:
    """A fit, and what the tokens are like: `said`, or `why` that is not known."""

    fit: TokenFit
    said: TokenDescription | None
    why: str = ""


def fitted(given: Pairs, how: dict[str, Any]) -> FittedTokens:
    """how: options of `fit_tokens`."""
    from tokenspace.tokens.describe import describe_tokens
    from tokenspace.tokens.fit import fit_tokens

    found = fit_tokens(given, **how)
    try:
        return FittedTokens(found, describe_tokens(given))
    except InputError as error:
        return FittedTokens(found, None, f"not described: {error}")
