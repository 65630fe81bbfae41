"""`infill-lsp bench --suite cuda`: how near DiffusionGemma comes to what its device can do."""
