import logging
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from bundle.classification.image_text.folder_pictures import look_through
from bundle.classification.image_text.food101 import read_food101
from bundle.classification.image_text.ngrams import HashedNgrams
from bundle.errors import CaseError, UsageError

CASES = (("b_1", "a red pie", "pie"), ("a_1", "soup, with peas", "soup"), ("a_2", "stew", "soup"))


def picture(path: Path, shade: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), (shade, 50, 200)).save(path)


def write_table(folder: Path, part: str, text: str | bytes) -> Path:
    path = folder / "texts" / f"{part}_titles.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three cases to train with, one to test."""
    rows = "".join(f'{name}.jpg,"{title}",{dish}\n' for name, title, dish in CASES)
    write_table(tmp_path, "train", rows)
    for shade, (name, _, dish) in enumerate(CASES):
        picture(tmp_path / "images" / "train" / dish / f"{name}.jpg", 80 * shade)
    write_table(tmp_path, "test", "c_1.jpg,more pie,pie\n")
    picture(tmp_path / "images" / "test" / "pie" / "c_1.jpg")
    return tmp_path


def test_cases_have_pictures_numbers_and_classes_in_the_order_of_the_table(folder):
    cases = read_food101(path=folder, part="training", image_size=16, max_tokens=9, n_buckets=50)
    assert cases.modalities == ("image", "text")
    assert cases.classes == ("pie", "soup")
    assert cases.case_ids == ("pie/b_1.jpg", "soup/a_1.jpg", "soup/a_2.jpg")
    assert cases.labels.tolist() == [0, 1, 1]
    assert cases.presence.all()
    read = cases.read([2, 0])
    assert read["image"].shape == (2, 3, 16, 16)
    assert read["image"].mean(dim=(2, 3))[:, 0].tolist() == pytest.approx([0.25, -1], abs=0.03)
    numbers = HashedNgrams(50, 9)
    assert read["text"].tolist() == [numbers("stew").tolist(), numbers("a red pie").tolist()]


def test_the_test_part_has_the_classes_of_training(folder):
    cases = read_food101(folder, "test", image_size=16)
    assert cases.classes == ("pie", "soup")
    assert cases.labels.tolist() == [0]


def test_a_class_that_training_does_not_have_is_refused_by_name(folder):
    write_table(folder, "test", "c_1.jpg,more pie,pie\nx_1.jpg,ramen,ramen\n")
    with pytest.raises(UsageError, match=r"only classes that training has \(2\).*ramen/x_1") as no:
        read_food101(folder, "test", image_size=16)
    assert no.value.code == "E_CLASSES"


def test_titles_may_hold_commas_quotes_and_lines_or_be_empty(folder):
    text = 'b_1.jpg,"a ""red"", red\npie",pie\na_1.jpg,a 5" soup,soup\na_2.jpg,,soup\n'
    write_table(folder, "train", text)
    cases = read_food101(folder, "training", image_size=16)
    texts = cases.read([0, 1])["text"]
    assert texts[0].equal(HashedNgrams()("a red red pie"))
    assert texts[1].equal(HashedNgrams()("a 5 soup"))
    assert cases.presence.tolist() == [[True, True], [True, True], [True, False]]
    assert not cases.read([2])["text"].any()


def test_a_case_lacks_what_cannot_be_used_and_the_log_counts_and_names_it(folder, caplog):
    broken = folder / "images" / "train" / "soup" / "a_1.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    (folder / "images" / "train" / "pie" / "b_1.jpg").unlink()
    with caplog.at_level(logging.INFO, "simmlm"):
        cases = read_food101(folder, "training", image_size=16)
    assert cases.presence.tolist() == [[False, True], [False, True], [True, True]]
    assert not cases.read([0, 1])["image"].any()
    (line,) = caplog.messages
    assert "3 cases of 2 classes; without image 2 (pie/b_1.jpg: no such file, soup/a_1.jpg" in line
    assert "without text 0; left out, for want of all, 0" in line


def test_a_case_of_nothing_is_left_out_and_named(folder, caplog):
    write_table(folder, "train", "b_1.jpg,pie,pie\na_1.jpg,,soup\na_2.jpg,stew,soup\n")
    (folder / "images" / "train" / "soup" / "a_1.jpg").unlink()
    with caplog.at_level(logging.INFO, "simmlm"):
        cases = read_food101(folder, "training", image_size=16)
    assert cases.case_ids == ("pie/b_1.jpg", "soup/a_2.jpg")
    assert cases.labels.tolist() == [0, 1]
    assert cases.read([1])["image"][0, 0].mean() == pytest.approx(0.25, abs=0.03)
    assert "left out, for want of all, 1 (soup/a_1.jpg)" in caplog.text


def test_a_modality_that_no_case_has_is_refused(folder):
    write_table(folder, "train", "b_1.jpg,,pie\na_1.jpg,!,soup\n")
    with pytest.raises(UsageError, match=r"a usable text; got none of 2 \(pie/b_1.jpg: an empty"):
        read_food101(folder, "training", image_size=16)
    write_table(folder, "train", "b_9.jpg,pie,pie\na_9.jpg,stew,soup\n")
    with pytest.raises(UsageError, match="a usable image; got none of 2") as caught:
        read_food101(folder, "training", image_size=16)
    assert caught.value.code == "E_CASE"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "at least one case"),
        ("\n\n", "at least one case"),
        ("file,title,class\nb_1.jpg,pie,pie\n", "line 1 must begin with the name of a picture"),
        ("b_1.jpg,pie\n", "line 1 must have the 3 columns"),
        ("b_1.jpg,a pie\na_1.jpg,a soup,soup\n", "line 1 must have the 3 columns"),
        ("b_1.jpg,a, b,pie\n", "3 columns file, title, class; got 4"),
        ("b_1.jpg,pie,pie\n../a.jpg,x,pie\n", "line 2 must name a file and a class without"),
        ("/etc/a.jpg,x,pie\n", "without folders"),
        ("C:\\a.jpg,x,pie\n", "without folders"),
        ("a.jpg,x,..\n", "without folders"),
        ("a.jpg,x,../../other\n", "without folders"),
        ("a.jpg,x,\n", "without folders"),
        ("a.jpg,x,a\\b\n", "without folders"),
        ("b_1.jpg,x,pie\nb_1.jpg,y,pie\n", "each file of a class once; got pie/b_1.jpg twice"),
        ('b_1.jpg,"open,pie\n', "CSV table"),
        ("b_1.jpg,crème,pie\n".encode("latin-1"), "iconv -f WINDOWS-1252 -t UTF-8"),
        (b"PK\x03\x04 workbook", "an Excel workbook"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence_with_its_name(folder, text, rule):
    write_table(folder, "train", text)
    with pytest.raises(UsageError, match=r"train_titles\.csv") as caught:
        read_food101(folder, "training", image_size=16)
    assert rule in str(caught.value)
    assert caught.value.code == "E_DATALIST"


def test_a_table_of_a_spreadsheet_is_read(folder):
    write_table(folder, "train", "\ufeffb_1.jpg;pie, red;pie\r\na_1.jpg;stew;soup\r\n")
    assert read_food101(folder, "training", image_size=16).classes == ("pie", "soup")


def test_a_folder_without_tables_or_images_or_of_no_such_part_is_refused(folder):
    with pytest.raises(UsageError, match="training, test; got 'train'"):
        read_food101(folder, "train")
    shutil.rmtree(folder / "images" / "train")
    with pytest.raises(UsageError, match="folder of images") as caught:
        read_food101(folder, "training")
    assert caught.value.code == "E_FOLDER"
    shutil.rmtree(folder / "texts")
    with pytest.raises(UsageError, match=r"train_titles\.csv must be readable"):
        read_food101(folder, "training")


def test_files_of_different_classes_may_share_a_name(folder):
    picture(folder / "images" / "train" / "soup" / "b_1.jpg", 250)
    write_table(folder, "train", "b_1.jpg,pie,pie\nb_1.jpg,stew,soup\n")
    shades = read_food101(folder, "training", image_size=16).read([0, 1])["image"][:, 0]
    assert shades.mean(dim=(1, 2)).tolist() == pytest.approx([-1, 0.96], abs=0.05)


def test_what_reads_a_case_can_be_sent_to_another_process(folder):
    read = read_food101(folder, "training", image_size=16).read
    there = pickle.loads(pickle.dumps(read))
    assert all(there([1])[name].equal(values) for name, values in read([1]).items())


def test_many_pictures_are_read_again_and_are_the_same(folder):
    paths = [folder / "images" / "train" / dish / f"{name}.jpg" for name, _, dish in CASES]
    (folder / "images" / "train" / "pie" / "b_1.jpg").write_bytes(b"no picture")
    kept, problems = look_through(paths, 8)
    asked, same_problems = look_through(paths, 8, kept_mib=0)
    assert kept.kept is not None
    assert asked.kept is None
    assert problems == same_problems == {0: "not a picture"}
    assert kept([0, 1, 2]).equal(asked([0, 1, 2]))
    assert kept.only([2, 1])([0]).equal(asked.only([2, 1])([0]))
    paths[2].unlink()
    with pytest.raises(
        CaseError, match=r"a_2\.jpg must be a whole picture; got: no such"
    ) as caught:
        asked([2])
    assert caught.value.code == "E_PICTURE"


def test_other_numbers_of_words_can_be_given(folder):
    def length(text: str) -> torch.Tensor:
        return torch.tensor([len(text)])

    cases = read_food101(folder, "training", image_size=16, tokens=length)
    assert cases.read([0, 1, 2])["text"].flatten().tolist() == [len(one[1]) for one in CASES]
