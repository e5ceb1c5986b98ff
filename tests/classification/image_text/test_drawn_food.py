import csv

import pytest

from bundle.classification.image_text.drawn_food import DISHES, write_drawn_food
from bundle.classification.image_text.food101 import read_food101
from bundle.errors import UsageError


def files_of(folder) -> dict:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_draws_the_same_bytes_and_a_longer_run_extends_a_shorter(tmp_path):
    for name, seed, n_training in (("a", 1, 8), ("b", 1, 8), ("longer", 1, 14), ("other", 2, 8)):
        write_drawn_food(tmp_path / name, seed=seed, n_training=n_training, n_test=3)
    first = files_of(tmp_path / "a")
    assert len(first) == 8 + 3 + 2
    assert files_of(tmp_path / "b") == first
    longer, other = files_of(tmp_path / "longer"), files_of(tmp_path / "other")
    pictures = [name for name in first if name.endswith(".png")]
    assert all(longer[name] == first[name] for name in pictures)
    assert longer["texts/train_titles.csv"].startswith(first["texts/train_titles.csv"])
    assert all(other[name] != first[name] for name in first)


def test_it_is_read_as_the_public_layout(drawn_food):
    for part, n_cases in (("training", 60), ("test", 24)):
        cases = read_food101(drawn_food, part, image_size=16)
        assert len(cases) == n_cases
        assert cases.classes == tuple(sorted(dish.name for dish in DISHES))
        assert cases.labels.bincount().tolist() == [n_cases // 6] * 6
        assert cases.presence.all()


def test_most_titles_name_their_dish_some_another_and_some_none(tmp_path):
    write_drawn_food(tmp_path, n_training=600, n_test=1, picture_size=16)
    words = {dish.name: dish.words for dish in DISHES}
    with (tmp_path / "texts" / "train_titles.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    own = sum(any(word in title for word in words[dish]) for _, title, dish in rows)
    named = sum(any(w in title for each in words.values() for w in each) for _, title, _ in rows)
    assert 0.73 < own / len(rows) < 0.83
    assert 0.84 < named / len(rows) < 0.92


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"n_training": 5}, {"n_test": 0}, {"picture_size": 15}]
)
def test_a_number_out_of_its_range_is_refused_before_anything_is_drawn(tmp_path, wrong):
    (name,) = wrong
    with pytest.raises(UsageError, match=f"{name} must be at least") as caught:
        write_drawn_food(tmp_path / "food", **wrong)
    assert caught.value.code == "E_PHANTOM"
    assert not (tmp_path / "food").exists()
