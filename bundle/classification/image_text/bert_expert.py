"""BERT as the expert of texts, with weights from a local folder, and its own numbers for words."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bundle.classification.image_text.ngrams import padded
from bundle.errors import SetupError
from bundle.files.extras import import_extra
from bundle.files.text_file import read_text, shown

CONFIG, VOCABULARY = "config.json", "vocab.txt"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
PADDING = "[PAD]"
_N_MARKS = 2  # of the beginning and the end of a text


class WordPieces:
    """Numbers the pieces of words that BERT knows; lower and upper case are one, as in "uncased".

    Can be sent to other processes.

    Args:
        folder: holds ``vocab.txt``, whose first line is the padding.
        max_tokens: L; what comes after is cut off.

    Attributes:
        n_numbers: numbers are less; 0 is padding.

    Raises:
        SetupError: E_WEIGHTS, there is no such file, or it is another one; E_EXTRA, transformers is
            not installed.
        UsageError: E_WEIGHTS, the file is no text.

    Source: Devlin et al., BERT, NAACL 2019; the experts of UPMC Food-101 in Li et al., SimMLM.
    """

    def __init__(self, folder: Path | str | None, max_tokens: int) -> None:
        path = _held(folder, VOCABULARY)
        words = read_text(path, "BERT's vocabulary", "E_WEIGHTS").splitlines()
        if words[:1] != [PADDING]:
            raise SetupError(
                "E_WEIGHTS",
                f"{shown(path)} must begin with {PADDING}, as BERT's vocabulary does; got"
                f" {shown(words[0] if words else '', 40)!r}. {_where_from()}",
            )
        self._tokenizer: Any = import_extra("transformers", "text").BertTokenizer(str(path))
        self.n_numbers = len(words)
        self.max_tokens = max_tokens

    def __call__(self, text: str) -> Tensor:
        """Return the numbers of a text: (L,) int64; all 0 where it has no word."""
        found = self._tokenizer(text, truncation=True, max_length=self.max_tokens)["input_ids"]
        return padded(found if len(found) > _N_MARKS else [], self.max_tokens)


class BertExpert(nn.Module):
    """BERT and a linear layer on what it pools: (B, L) int64 to logits (B, C).

    Nothing is ever downloaded.

    Args:
        folder: as that of ``bert-base-uncased``: ``config.json``, and ``model.safetensors`` or
            ``pytorch_model.bin``.
        n_classes: C.

    Raises:
        SetupError: E_WEIGHTS, a file is missing, damaged, or of another network; E_EXTRA,
            transformers is not installed.
    """

    def __init__(self, folder: Path | str | None, n_classes: int) -> None:
        super().__init__()
        self.bert = _loaded(folder)
        self.output_block: nn.Module = nn.Linear(self.bert.config.hidden_size, n_classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Score the classes of texts with at least one number each, see `WordPieces`."""
        said = self.bert(input_ids=tokens, attention_mask=(tokens != 0).long())
        scores: Tensor = self.output_block(said.pooler_output)
        return scores


def _loaded(folder: Path | str | None) -> Any:
    _held(folder, CONFIG)
    path = _held(folder, *WEIGHTS)
    bert = import_extra("transformers", "text").BertModel
    try:
        model, report = bert.from_pretrained(
            str(folder), local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
    except Exception as error:  # transformers raises many kinds for what is no model
        cause = str(error).strip().partition("\n")[0].rstrip(".")
        raise _unfit(path, cause or type(error).__name__) from None
    missing = sorted(report["missing_keys"])
    if missing:
        raise _unfit(path, f"{len(missing)} names missing, for example {missing[0]}")
    return model


def _held(folder: Path | str | None, *names: str) -> Path:
    """Return the first of some files that a folder holds."""
    paths = [] if folder is None else [Path(folder) / name for name in names]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        place = "nothing" if folder is None else f"no such file in {shown(folder)}"
        raise SetupError(
            "E_WEIGHTS",
            f"text_weights must be a folder with {' or '.join(names)}; got {place}."
            f" {_where_from()}",
        )
    return found


def _unfit(path: Path, cause: str) -> SetupError:
    return SetupError(
        "E_WEIGHTS",
        f"{shown(path)} must hold all weights of the BERT that {CONFIG} beside it describes; got:"
        f" {shown(cause)}. {_where_from()}",
    )


def _where_from() -> str:
    return (
        "Nothing is downloaded here: copy the folder bert-base-uncased of"
        f" huggingface.co/google-bert with {CONFIG}, {VOCABULARY} and {' or '.join(WEIGHTS)}, and"
        " name it in text_weights."
    )
