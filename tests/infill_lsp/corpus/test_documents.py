"""Lines of a shard, and cutting long files."""

from hypothesis import example, given
from hypothesis import strategies as st

from infill_lsp.corpus.documents import Document, cut

TEXTS = st.text(st.sampled_from("ab \n{\u2028é"), max_size=120)


@given(TEXTS)
@example("a\r\x0b\x85\ud7ff\U0001f600")
def test_a_line_gives_the_document_back(text: str) -> None:
    document = Document("a/b.py", "shop 1.0", "MIT", "python", text, {"value": [[0, 1], [2, 5]]})
    line = document.to_line()
    assert b"\n" not in line
    assert b"\r" not in line
    assert Document.from_line(line) == document


@given(TEXTS, st.integers(1, 40))
def test_pieces_are_the_text_and_end_with_lines(text: str, size: int) -> None:
    pieces = cut(text, size)
    assert "".join(pieces) == text
    assert all(piece.endswith("\n") for piece in pieces[:-1])
    assert all(len(piece) <= size or "\n" not in piece[:-1] for piece in pieces)


def test_a_cut_falls_before_a_line_without_indentation() -> None:
    functions = [f"def f{number}():\n    a = 1\n    return a\n\n\n" for number in range(8)]
    pieces = cut("".join(functions), 100)
    assert len(pieces) > 1
    assert all(piece.startswith("def ") for piece in pieces)


def test_a_cut_falls_between_lines_where_all_are_indented() -> None:
    assert cut("  a\n" * 10, 9) == ["  a\n" * 2] * 5
