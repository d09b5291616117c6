"""Cutting keeps every letter, its line and its heading."""

from __future__ import annotations

from itertools import chain, combinations, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.errors import InputError
from shortlist.passages.size import PassageSize, count_words
from shortlist.passages.structure import Kind, Passage, cut

SMALL = PassageSize(target=12, maximum=16)
steady = settings(deadline=None, max_examples=40)
texts = st.text(
    st.sampled_from(list("ab .!?#=-`~*\n\n\n\t>|1:(){}[]<&;é\u0301\u3000界世。ก\x0b\x1c\u2028\ufffd😀")), max_size=400
) | st.text(max_size=200)
sizes = st.builds(lambda a, b: PassageSize(min(a, b), max(a, b)), st.integers(1, 30), st.integers(1, 40))
words = st.text("abcdefghij", min_size=1, max_size=8)
sentences = st.lists(words, min_size=1, max_size=6).map(lambda parts: " ".join(parts) + ".")
paragraphs = st.lists(sentences, min_size=1, max_size=4).map("\n".join)


def letters(text: str) -> str:
    return "".join(text.split())


def joined(passages: list[Passage]) -> str:
    return "".join(letters(passage.text) for passage in passages)


@steady
@given(texts, sizes, st.sampled_from([Kind.PLAIN, Kind.CODE, Kind.CONFIG]))
def test_every_letter_is_in_exactly_one_passage_in_order(text: str, size: PassageSize, kind: Kind) -> None:
    assert joined(cut(text, kind=kind, size=size)) == letters(text)


@steady
@given(texts, sizes, st.sampled_from([Kind.PLAIN, Kind.CODE, Kind.CONFIG, Kind.MARKDOWN, Kind.RST]))
def test_lines_are_those_where_the_passage_stands(text: str, size: PassageSize, kind: Kind) -> None:
    lines, last = text.split("\n"), 1
    for passage in cut(text, kind=kind, size=size):
        assert last <= passage.first_line <= passage.last_line <= len(lines)
        assert letters(passage.text) in letters("\n".join(lines[passage.first_line - 1 : passage.last_line]))
        first_word, last_word = passage.text.split()[0], passage.text.split()[-1]
        assert first_word in lines[passage.first_line - 1]
        assert last_word in lines[passage.last_line - 1]
        last = passage.last_line


@steady
@given(texts, sizes, st.sampled_from(list(Kind)))
def test_no_passage_is_empty_or_over_the_maximum(text: str, size: PassageSize, kind: Kind) -> None:
    for passage in cut(text, kind=kind, size=size):
        assert passage.text.strip()
        assert count_words(passage.text) <= size.maximum


@steady
@given(texts, st.sampled_from([Kind.MARKDOWN, Kind.RST]))
def test_a_line_that_is_in_no_passage_is_part_of_a_heading(text: str, kind: Kind) -> None:
    passages = cut(text, kind=kind)
    covered = {line for passage in passages for line in range(passage.first_line, passage.last_line + 1)}
    titles = "".join(letters(title) for passage in passages for title in passage.headings)
    for number, line in enumerate(text.split("\n"), 1):
        if number not in covered:
            assert {letter for letter in letters(line) if letter.isalnum()} <= set(titles)


@steady
@given(st.lists(st.tuples(st.integers(1, 6), words, st.lists(paragraphs, max_size=3)), min_size=1, max_size=4), sizes)
def test_markdown_body_is_kept_under_its_headings(
    sections: list[tuple[int, str, list[str]]], size: PassageSize
) -> None:
    text = "\n\n".join(
        "\n\n".join([f"{'#' * level} {title}{place}", *body]) for place, (level, title, body) in enumerate(sections)
    )
    passages = cut(text, kind=Kind.MARKDOWN, size=size)
    for place, (level, title, body) in enumerate(sections):
        if body:
            own = [passage for passage in passages if passage.headings[-1:] == (f"{title}{place}",)]
            # headings without text may count as text here when they follow at once or lie below this one
            later = list(enumerate(sections[place + 1 :], place + 1))
            at_once = list(takewhile(lambda section: not section[1][2], later))
            end = next((number for number, (other, _, _) in later if other <= level), len(sections))
            below = [(number, section) for number, section in later if number < end and not section[2]]
            empty = sorted({number for number, _ in [*at_once, *below]})
            more = [letters(f"{'#' * sections[number][0]}{sections[number][1]}{number}") for number in empty]
            chosen = chain.from_iterable(combinations(more, count) for count in range(len(more) + 1))
            assert joined(own) in {letters("".join(body)) + "".join(some) for some in chosen}


@steady
@given(st.lists(st.sampled_from(["# not a heading", "Neither", "=====", "-----", "", "x = 1"]), max_size=12))
def test_code_fences_are_not_taken_for_headings(inside: list[str]) -> None:
    text = "\n".join(["# Real", "", "```python", *inside, "```", "", "after"])
    passages = cut(text, kind=Kind.MARKDOWN)
    assert {passage.headings for passage in passages} == {("Real",)}
    assert joined(passages) == letters("\n".join(["```python", *inside, "```", "after"]))


@steady
@given(paragraphs)
def test_words_are_never_cut_when_they_fit(text: str) -> None:
    cut_words = [word for passage in cut(text, size=SMALL) for word in passage.text.split()]
    assert cut_words == text.split()


@steady
@given(st.lists(paragraphs, min_size=1, max_size=5))
def test_html_keeps_the_text_and_its_lines(body: list[str]) -> None:
    text = "<html>\n<script>var no = '<p>no';</script>\n" + "\n".join(f"<p class='a>b'>{part}</p>" for part in body)
    passages = cut(text, kind=Kind.HTML, size=SMALL)
    assert joined(passages) == letters("".join(body))
    lines = text.split("\n")
    for passage in passages:
        assert passage.text.split()[0] in lines[passage.first_line - 1]
        assert passage.text.split()[-1] in lines[passage.last_line - 1]


def test_headings_nest_and_close_in_markdown() -> None:
    text = "# Guide\n\n## Install ##\nfirst\n\nUse\n---\nsecond\n\n# [Other](x.md) `part` {#id}\n\nthird\n"
    assert [(p.heading, p.text, p.first_line) for p in cut(text, kind=Kind.MARKDOWN)] == [
        ("Guide > Install", "first", 4),
        ("Guide > Use", "second", 8),
        ("Other part", "third", 12),
    ]


def test_front_matter_is_kept_and_its_title_is_a_heading() -> None:
    passages = cut('---\ntitle: "My page"\nweight: 1\n---\n\nbody\n', kind=Kind.MARKDOWN)
    assert [(p.heading, p.first_line, p.last_line) for p in passages] == [("My page", 1, 6)]


def test_a_hashtag_and_a_rule_are_no_headings() -> None:
    text = "#tag is text\n\ntwo\nlines\n---\n\n- item\n---\n"
    assert [p.headings for p in cut(text, kind=Kind.MARKDOWN)] == [()]


def test_a_heading_without_text_is_a_passage_unless_it_has_subheadings() -> None:
    passages = cut("# Top\n## Sub\ntext\n## Empty\n", kind=Kind.MARKDOWN)
    assert [(p.heading, p.text) for p in passages] == [("Top > Sub", "text"), ("Top", "## Empty")]


def test_rst_levels_follow_the_order_of_their_styles() -> None:
    text = "=====\nTitle\n=====\n\nIntro\n\nPart\n====\n\nSub\n---\ntext::\n\n    Not\n    ---\n\nNext\n====\nend\n"
    found = [(p.heading, p.first_line, p.last_line) for p in cut(text, kind=Kind.RST)]
    assert found == [("Title", 5, 5), ("Title > Part > Sub", 12, 15), ("Title > Next", 19, 19)]


def test_code_is_cut_at_definitions_with_their_comments_and_decorators() -> None:
    text = (
        "import os\n\n\n# about\n@decorated\nclass A(B):\n    x = 1\n\n    def method(self):\n        return 1\n\n\n"
        "VALUE = 2\n"
    )
    assert [(p.heading, p.first_line, p.last_line) for p in cut(text, kind=Kind.CODE)] == [
        ("", 1, 1),
        ("A", 4, 7),
        ("A > method", 9, 10),
        ("", 13, 13),
    ]
    assert cut(text, kind=Kind.CODE)[2].text.startswith("    def")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("pub async fn run<T>(x: T) -> u8 {", "run"),
        ("func (s *Server) Serve(l net.Listener) error {", "Serve"),
        ("export default class Foo extends Bar {", "Foo"),
        ("  public static int main(int argc, char **argv) {", "main"),
        ("const add = (a, b) => a + b", "add"),
        ("CREATE TABLE IF NOT EXISTS users (", "users"),
        ("build() {", "build"),
        ("impl<T> Display for Wrapper<T> {", "Display"),
        ("    if (x) {", ""),
        ("    } else if (y) {", ""),
        ("class of the argument", ""),
        ("    return foo(x)", ""),
        ("result = call(", ""),
    ],
)
def test_definitions_of_many_languages_are_recognised(line: str, name: str) -> None:
    assert {p.heading for p in cut(f"{line}\n", kind=Kind.CODE)} == {name}


def test_config_sections_are_headings() -> None:
    passages = cut("x = 1\n[tool.a]  # note\ny = 2\n\n[[b]]\nz = [\n[1, 2]]\n", kind=Kind.CONFIG)
    assert [(p.heading, p.first_line) for p in passages] == [("", 1), ("tool.a", 2), ("b", 5)]


@pytest.mark.parametrize(
    ("html", "kind", "read"),
    [
        ("<svg class='icon'/><p>text", Kind.HTML, "text"),
        ("<svg><svg/><style/><title>no</title></svg><p>text", Kind.HTML, "text"),
        ("<math/><script src='a.js'></script>text", Kind.HTML, "text"),
        ("<p>text<script src='a.js'/><p>no", Kind.HTML, "text"),
        ("<head><script src='a.js'/><title/></head><object/><p>text<br/>more", Kind.XHTML, "textmore"),
        ("<?xml version='1.0'?>\n<head><script src='a.js'/></head><p>text", Kind.HTML, "text"),
        ("<svg>no</svg><script>no</script><p>text", Kind.XHTML, "text"),
    ],
)
def test_an_empty_element_hides_nothing_behind_it(html: str, kind: Kind, read: str) -> None:
    assert joined(cut(html, kind=kind)) == read


def test_html_headings_titles_and_dropped_elements() -> None:
    text = (
        "<head><title>Site &amp; more</title><style>h1{}</style></head>\n<body><nav>menu</nav>\n<h2>A <b>b</b></h2>\n"
        "<p>x&lt;y f<i>oo</i><br>next<pre>  a\n    b</pre>\n<!-- <p>no --><ul><li>one<li>two</ul>"
    )
    passages = cut(text, kind=Kind.HTML)
    assert [(p.heading, p.first_line, p.last_line) for p in passages] == [("Site & more > A b", 4, 6)]
    assert passages[0].text == "x<y foo\nnext\n\n  a\n    b\n\none\ntwo"


@pytest.mark.parametrize(
    ("part", "read"),
    [
        ("<", "<"),
        ("<a ", ""),
        ("<a x='", "x='"),
        ("<a '<a \"", "'\""),
        ("<!--", ""),
        ("<![CDATA[", "[CDATA["),
        ("</a ", ""),
        ("<script>", ""),
        ("<title>", ""),
        ("&", "&"),
        ("<pre>", ""),
    ],
)
def test_html_that_never_closes_is_read_to_its_end(part: str, read: str) -> None:
    # html.parser takes minutes for some of these: a quadratic scan would be seen here
    assert joined(cut(part * 20_000, kind=Kind.HTML)) == read * 20_000


def test_small_neighbours_merge_and_large_paragraphs_split_evenly() -> None:
    small = "\n\n".join(["three little words"] * 4)
    assert [count_words(p.text) for p in cut(small, size=SMALL)] == [12]
    large = " ".join(f"Sentence number {i}." for i in range(10))
    assert [count_words(p.text) for p in cut(large, size=SMALL)] == [8, 8, 8, 8, 8]


def test_scripts_without_spaces_are_cut_at_sentences_then_letters() -> None:
    passages = cut("世界很大很大。" * 5, size=SMALL)
    assert all(p.text.endswith("。") for p in passages)
    assert len(cut("世" * 100, size=SMALL)) == 5


@pytest.mark.parametrize("sentence", ["هل العالم كبير جدا؟ ", "دنیا بہت بڑی ہے\u06d4 ", "दुनिया बहुत बड़ी है। "])
def test_arabic_urdu_and_hindi_are_cut_at_sentences(sentence: str) -> None:
    assert all(p.text.endswith(sentence.strip()) for p in cut(sentence * 5, size=SMALL))


def test_a_single_line_of_5_mb_is_cut() -> None:
    passages = cut("x" * 4_000_000 + " word" * 250_000)
    assert {p.first_line for p in passages} == {1}
    assert sum(len(letters(p.text)) for p in passages) == 4_000_000 + 4 * 250_000


def test_a_size_with_target_over_maximum_is_refused() -> None:
    with pytest.raises(InputError, match="300 and 200"):
        PassageSize(300, 200)


@steady
@given(texts)
def test_cutting_passages_again_keeps_them_below_the_maximum(text: str) -> None:
    for passage in cut(text, size=SMALL):
        assert [again.text for again in cut(passage.text, size=SMALL)]
