from bundle.files.folder_owner import sweep
from bundle.files.shared_folder import marked, sees_mark


def test_who_has_the_same_folder_sees_its_mark_and_afterwards_it_is_gone(tmp_path):
    with marked(tmp_path) as mark:
        assert sees_mark(tmp_path, mark)
    assert not sees_mark(tmp_path, mark, patience_s=0)
    assert list(tmp_path.iterdir()) == []


def test_another_folder_has_no_such_mark(tmp_path):
    (tmp_path / "one").mkdir()
    with marked(tmp_path) as mark:
        assert not sees_mark(tmp_path / "one", mark, patience_s=0.1)
        assert not sees_mark(tmp_path / "nowhere", mark, patience_s=0.1)


def test_a_mark_is_not_swept_away_while_it_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr("bundle.files.folder_owner._NEW_S", -1.0)
    with marked(tmp_path) as mark:
        sweep(tmp_path)
        assert sees_mark(tmp_path, mark, patience_s=0)
