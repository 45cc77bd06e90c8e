"""Any JSON value, for tests of what strangers may send."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def json_values(max_text: int = 8, max_leaves: int = 8) -> st.SearchStrategy[Any]:
    """Return values in lists and objects, some levels deep; texts have so many characters."""
    text = st.text(max_size=max_text)

    # A function with a name: hypothesis reads its source, and a lambda's is not always found.
    def within(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)

    plain = st.none() | st.booleans() | st.integers() | st.floats() | text
    return st.recursive(plain, within, max_leaves=max_leaves)
