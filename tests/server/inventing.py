"""What hypothesis invents for both doors: texts, JSON values and header values."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

invented = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""Enough for a run of the tests; the same examples each time, so that a failure comes again."""

invented_for_each = settings(invented, max_examples=30)
"""For a test that has many parameters already."""

texts = st.text(max_size=20) | st.sampled_from(["", " ", "\x00", "%", "../", "\U0001f511"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def _is_legal(byte: int) -> bool:
    return byte == 0x09 or (byte >= 0x20 and byte != 0x7F)


# Other bytes are refused by the HTTP server itself, before any door.
header_values = st.binary(max_size=60).map(
    lambda raw: bytes(byte for byte in raw if _is_legal(byte)).strip(b" \t")
)
