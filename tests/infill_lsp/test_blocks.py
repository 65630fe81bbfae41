"""Blocks of words, tags and fences: which end of one is one too many."""

from __future__ import annotations

import pytest

from infill_lsp.blocks import surplus


@pytest.mark.parametrize(
    ("text", "fill", "kept"),
    [
        ("{% for a in b %}\n‸\n{% endfor %}\n", "{{ a }}\n{% endfor %}", "{{ a }}\n"),
        ("{% for a in b %}\n‸\n", "{{ a }}\n{% endfor %}", "{{ a }}\n{% endfor %}"),
        ("{%- if a -%}‸{%- endif -%}", "{% set b = 1 %}", "{% set b = 1 %}"),
        ("<ul>\n‸\n</ul>", "<li>a<br></li></ul>", "<li>a<br></li>"),
        ("<ul>\n‸\n</ul>", "<li/><img src='a'>", "<li/><img src='a'>"),
        ("```\n‸\n```\n", "a\n```\n", "a\n"),
        ("‸\n", "```py\na\n```", "```py\na\n```"),
        ("{{ range .A }}‸{{ end }}", "{{ if . }}b{{ end }}{{ end }}", "{{ if . }}b{{ end }}"),
        ("{#if a}‸{/if}", "b{:else}c{/if}", "b{:else}c"),
        (
            "<% if a %>‸<% end %>",
            "<% b.each do |c| %><% end %><% end %>",
            "<% b.each do |c| %><% end %>",
        ),
        ("\\begin{a}‸\\end{a}", "x\\end{a}", "x"),
        ("#ifdef A\n‸\n#endif\n", "int a;\n#endif", "int a;\n"),
        ("List<String> a = ‸;\n", "new ArrayList<String>()", "new ArrayList<String>()"),
    ],
)
def test_what_is_kept(text: str, fill: str, kept: str) -> None:
    at = surplus(fill, *text.split("‸"))
    assert (fill if at is None else fill[:at]) == kept
