"""What is known around a gap: `gather` finds it in the file itself, `cross_file` in others."""

from infill_lsp.context.local import OPENERS, Context, Scope, gather, indent_unit

__all__ = ["OPENERS", "Context", "Scope", "gather", "indent_unit"]
