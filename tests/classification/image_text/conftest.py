from pathlib import Path

import pytest
import torch

from bundle.classification.image_text.drawn_food import write_drawn_food

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "pie", "##s", "soup")


@pytest.fixture(scope="session")
def drawn_food(tmp_path_factory) -> Path:
    """A few drawn plates: 60 to train with, 24 to test; nobody may write there."""
    folder = tmp_path_factory.mktemp("food")
    write_drawn_food(folder, n_training=60, n_test=24, picture_size=16)
    return folder


@pytest.fixture(scope="session")
def small_bert(tmp_path_factory) -> Path:
    """A BERT of two layers as transformers keeps one, with a vocabulary; nobody may write there."""
    transformers = pytest.importorskip("transformers", reason="needs the extra [text]")
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
    )
    torch.manual_seed(3)
    transformers.BertModel(config).save_pretrained(folder)
    return folder
