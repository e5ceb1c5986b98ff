import pytest
import torch

from bundle.devices import choose_amp, choose_device, has_bfloat16
from bundle.errors import SetupError


@pytest.mark.parametrize(("has_gpu", "expected"), [(True, "cuda:0"), (False, "cpu")])
def test_auto_is_the_first_gpu_or_else_the_cpu(monkeypatch, has_gpu, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert choose_device() == torch.device(expected)


def test_the_cpu_can_be_asked_for_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_here_is_refused_by_name(name):
    with pytest.raises(SetupError, match="auto, cpu or cuda:N") as caught:
        choose_device(name)
    assert repr(name) in str(caught.value)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    ("wanted", "device", "deepest_size", "chosen"),
    [
        (True, "cpu", 2, False),
        (True, "cpu", 3, True),
        (True, "cuda", 2, True),
        (False, "cpu", 4, False),
    ],
)
def test_bfloat16_is_left_out_where_its_gradients_are_wrong(wanted, device, deepest_size, chosen):
    assert choose_amp(wanted, torch.device(device), deepest_size) is chosen
    assert choose_amp(wanted, device, deepest_size) is chosen


def test_that_it_is_left_out_is_said(caplog):
    with caplog.at_level("WARNING", logger="simmlm"):
        choose_amp(True, torch.device("cpu"), 2)
    assert "float32" in caplog.text


@pytest.mark.parametrize("wanted", [True, False])
def test_bfloat16_that_is_set_is_not_asked_for(wanted):
    assert has_bfloat16(wanted, "cpu") is wanted


@pytest.mark.parametrize(("avx512", "amx"), [(True, False), (False, True), (False, False)])
def test_auto_is_bfloat16_where_the_cpu_has_it(monkeypatch, avx512, amx):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert has_bfloat16("auto", torch.device("cpu")) is (avx512 or amx)


@pytest.mark.parametrize("has_it", [True, False])
def test_auto_is_bfloat16_where_the_gpu_has_it(monkeypatch, has_it):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_it)
    assert has_bfloat16("auto", "cuda:0") is has_it
