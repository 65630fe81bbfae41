"""How near DiffusionGemma comes to what its device can do, and how fast the bundled model is there:
`python -m engine.bench`, or `infill-lsp bench --suite cuda`."""
