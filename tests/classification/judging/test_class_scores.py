import numpy as np
import pytest

from bundle.classification.judging.class_scores import ClassScores
from bundle.errors import UsageError
from tests.classification.judging.scores import four_cases

NAN = np.nan


def test_predictions_and_their_confidence_are_those_of_the_most_probable_class():
    scores = four_cases()
    assert scores.predicted.tolist() == [
        ["a", "a", "a"],
        ["b", "a", "a"],
        ["b", "", ""],
        ["b", "b", "b"],
    ]
    assert np.allclose(scores.confidence[1], [0.8, 0.7, 0.6])
    assert np.allclose(scores.probability[1], [0.8, 0.3, 0.4])
    assert np.array_equal(
        scores.correct, [[1, 1, 1], [1, 0, 0], [0, NAN, NAN], [1, 1, 1]], equal_nan=True
    )


def test_a_class_that_is_thought_impossible_has_a_finite_cost():
    scores = four_cases()
    scores.probability[0, 0] = 0
    assert 80 < scores.negative_log[0, 0] < 90


def test_what_is_written_is_read_again(tmp_path):
    scores = four_cases()
    scores.write(tmp_path / "scores.csv")
    read = ClassScores.read(tmp_path / "scores.csv")
    assert (read.cases, read.sets, read.modalities) == (
        scores.cases,
        scores.sets,
        scores.modalities,
    )
    assert read.predicted.tolist() == scores.predicted.tolist()
    for name in ("confidence", "probability", "weights", "correct"):
        assert np.allclose(getattr(read, name), getattr(scores, name), equal_nan=True), name


def test_names_that_a_spreadsheet_would_compute_are_read_as_they_were(tmp_path):
    scores = four_cases()
    odd = ClassScores(**{**vars(scores), "cases": ("=n0", "+n1", "n,2", 'n"3')})
    odd.write(tmp_path / "scores.csv")
    assert ClassScores.read(tmp_path / "scores.csv").cases == odd.cases


@pytest.mark.parametrize("content", ["", "case,set\n", "case,set,region,metric,value\n1,2,3,4,5\n"])
def test_another_table_is_refused_with_its_name(tmp_path, content):
    (tmp_path / "scores.csv").write_text(content)
    with pytest.raises(UsageError, match=r"scores\.csv must be scores of classes") as caught:
        ClassScores.read(tmp_path / "scores.csv")
    assert caught.value.code == "E_SCORES"


def test_a_damaged_number_is_refused(tmp_path):
    four_cases().write(tmp_path / "scores.csv")
    text = (tmp_path / "scores.csv").read_text()
    (tmp_path / "scores.csv").write_text(text.replace("0.9", "0.x"))
    with pytest.raises(UsageError, match="Judge again"):
        ClassScores.read(tmp_path / "scores.csv")


def test_an_unknown_set_names_those_that_are_there():
    with pytest.raises(UsageError, match=r"image, audio, image\+audio; got 'smell'"):
        four_cases().of_set("smell")
