"""What is known around a gap: `gather` finds it in the file itself, `cross_file` in others."""

from infill_lsp.context.local import Context, Scope, gather, indent_unit

__all__ = ["Context", "Scope", "gather", "indent_unit"]
