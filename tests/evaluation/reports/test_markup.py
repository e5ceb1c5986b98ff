from bundle.evaluation.reports.markup import latex_text, markdown_text


def test_nothing_in_a_name_is_a_command_to_latex():
    assert latex_text("a_b & 5% #1 $x$ {y}") == r"a\_b \& 5\% \#1 \$x\$ \{y\}"
    assert latex_text("\\~^") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}"
    assert latex_text("one\n\\input{two}") == r"one \textbackslash{}input\{two\}"


def test_nothing_in_a_name_is_an_element_of_markdown():
    assert markdown_text("a|b_c*[d](e)<f>`g`") == r"a\|b\_c\*\[d\](e)\<f\>\`g\`"
    assert markdown_text("one\n| two\\|") == r"one \| two\\\|"
