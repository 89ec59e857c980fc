"""What an option says about itself beside its field: `settle: Annotated[timedelta, "How long …", Option(…)]`."""

from typing import Any

from msgspec import Struct


class Option(Struct, frozen=True, kw_only=True):
    """What the name, the type, the default and the text of a field leave open."""

    default_doc: str | None = None
    """The default in words, where it is not a value of its own."""
    example: str | int | None = None
    """A value as the file has it, shown where there is no default."""
    least: Any = 0
    """The smallest number or duration, or the fewest entries of a list."""
    most: int = 1000
    """The largest number."""
    expected: str = 'a list of words such as ["text", "image"]'
    """What a list must be, in words."""
    known: tuple[str, ...] = ()
    """Words that a list is likely to hold; it may hold others."""
    follows: str | None = None
    """Key of the same section whose value this one has unless it is set."""
    required: bool = False
    """This one, or one that can be set instead of it, must be set."""
    essential: bool = False
    """Set, not commented out, in what `config init` writes."""
