import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch

from bundle.classification.image_text.bert_expert import BertExpert, WordPieces
from bundle.errors import SetupError, UserError
from bundle.mixture.features import without_output
from tests.classification.image_text.conftest import WORDS

transformers = pytest.importorskip("transformers", reason="needs the extra [text]")

RED_PIES = [2, 5, 6, 7, 3]


@pytest.fixture
def folder(small_bert, tmp_path) -> Path:
    return Path(shutil.copytree(small_bert, tmp_path / "bert"))


def test_a_text_is_the_pieces_of_words_that_bert_knows(small_bert):
    pieces = WordPieces(small_bert, 8)
    assert pieces("Red  PIES").tolist() == [*RED_PIES, 0, 0, 0]
    assert pieces("a red").tolist() == [2, 1, 5, 3, 0, 0, 0, 0]
    assert pieces.n_numbers == len(WORDS)


def test_a_long_text_is_cut_and_ends_all_the_same(small_bert):
    assert WordPieces(small_bert, 4)("red red red red red").tolist() == [2, 5, 5, 3]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_text_without_a_word_is_all_padding(small_bert, text):
    assert not WordPieces(small_bert, 4)(text).any()


def test_word_pieces_can_be_sent_to_another_process(small_bert):
    there = pickle.loads(pickle.dumps(WordPieces(small_bert, 8)))
    assert there("red pies").tolist() == [*RED_PIES, 0, 0, 0]


@pytest.mark.parametrize("kind", ["model.safetensors", "pytorch_model.bin"])
def test_the_expert_says_what_bert_of_the_folder_pools(folder, kind):
    bert = transformers.BertModel.from_pretrained(folder).eval()
    if kind == "pytorch_model.bin":
        torch.save(bert.state_dict(), folder / kind)
        (folder / "model.safetensors").unlink()
    expert = BertExpert(folder, 5).eval()
    tokens = torch.tensor([RED_PIES])
    with torch.inference_mode():
        pooled = bert(tokens).pooler_output
        assert torch.allclose(without_output(expert)(tokens), pooled, atol=1e-6)
        assert torch.allclose(expert(tokens), expert.output_block(pooled), atol=1e-6)


def test_padding_and_other_cases_have_no_say(small_bert):
    expert = BertExpert(small_bert, 5).eval()
    tokens = torch.tensor([[*RED_PIES, 0, 0], [2, 8, 3, 0, 0, 0, 0]])
    with torch.inference_mode():
        alone = [expert(torch.tensor([RED_PIES])), expert(torch.tensor([[2, 8, 3]]))]
        assert torch.allclose(expert(tokens), torch.cat(alone), atol=1e-5)


def remove(name: str):
    return lambda folder: (folder / name).unlink()


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-200])


def narrow(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"hidden_size": 32', '"hidden_size": 16'))


def deepen(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'))


def damage(folder: Path) -> None:
    (folder / "config.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (remove("config.json"), "a folder with config.json; got no such file"),
        (remove("model.safetensors"), "with model.safetensors or pytorch_model.bin; got no such"),
        (cut, "must hold all weights of the BERT"),
        (narrow, "must hold all weights of the BERT"),
        (deepen, "names missing, for example"),
        (damage, "must hold all weights of the BERT"),
    ],
)
def test_weights_that_cannot_be_used_are_one_sentence_that_says_where_they_come_from(
    folder, spoil, rule
):
    spoil(folder)
    with pytest.raises(SetupError, match=r"bert-base-uncased of huggingface\.co/google-bert") as no:
        BertExpert(folder, 5)
    assert no.value.code == "E_WEIGHTS"
    assert rule in str(no.value)


@pytest.mark.parametrize(
    ("content", "rule"),
    [(b"", "must begin with [PAD]"), (b"[UNK]\n", "got '[UNK]'"), (b"\xff\xff a", "in UTF-8")],
)
def test_a_file_that_is_no_vocabulary_is_refused(folder, content, rule):
    (folder / "vocab.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"vocab\.txt") as caught:
        WordPieces(folder, 8)
    assert caught.value.code == "E_WEIGHTS"
    assert rule in str(caught.value)


def test_no_folder_is_refused(tmp_path):
    for build in (lambda place: WordPieces(place, 8), lambda place: BertExpert(place, 5)):
        for place in (None, tmp_path / "nowhere"):
            with pytest.raises(SetupError, match="text_weights must be a folder") as caught:
                build(place)
            assert caught.value.code == "E_WEIGHTS"


def test_without_transformers_the_command_that_installs_it_is_said(small_bert, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SetupError, match=r"pip install -e \"\.\[text\]\"") as caught:
        WordPieces(small_bert, 8)
    assert caught.value.code == "E_EXTRA"
