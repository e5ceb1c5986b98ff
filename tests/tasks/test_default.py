from bundle.tasks.default import DEFAULT_TASK


def test_the_default_task_is_that_of_the_shipped_weights():
    assert DEFAULT_TASK.name == "brain_tumours"
    assert DEFAULT_TASK.modality_names == ("t1n", "t1c", "t2w", "t2f")
    assert DEFAULT_TASK.region_names == ("TC", "WT", "ET")
