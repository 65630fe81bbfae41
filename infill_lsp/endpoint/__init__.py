"""Suggestions over HTTP on this machine, for editors and plugins that speak no LSP: OpenAI's
`/v1/completions` and llama.cpp's `/infill`. Start with `serving`; needs the extra `http`.
"""
