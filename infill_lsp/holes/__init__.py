"""Where a text has holes: markers somebody left, empty bodies, and what the grammar misses or refuses."""

from infill_lsp.holes.find import find_holes
from infill_lsp.holes.hole import Hole, Kind

__all__ = ["Hole", "Kind", "find_holes"]
