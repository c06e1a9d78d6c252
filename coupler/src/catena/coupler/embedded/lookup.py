"""Linear interpolation in a table over 0 to 1."""

from __future__ import annotations

from catena.coupler.embedded.jit import compiled


@compiled
def place(saturation, nodes):  # type: ignore[no-untyped-def]
    """Node below a saturation and the way to the next one (0 to 1)."""
    x = min(max(saturation, 0.0), 1.0) * (nodes - 1)
    node = min(int(x), nodes - 2)
    return node, x - node


@compiled
def interpolate(table, node, way):  # type: ignore[no-untyped-def]
    """Value between two nodes of a table (node,)."""
    low = table[node]
    return low + way * (table[node + 1] - low)
