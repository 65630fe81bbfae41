"""What the file itself says about a gap; `infill_lsp.project` knows what others do."""

from infill_lsp.context.local import OPENERS, Context, Scope, gather, indent_unit

__all__ = ["OPENERS", "Context", "Scope", "gather", "indent_unit"]
