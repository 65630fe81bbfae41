"""How good the fills are: cases with known answers, put through the product's own path, and judged.

Reads `case` first: a case goes in, an answer comes out, an outcome is what a judge made of it.
"""
