import torch

from bundle.classification.class_inferer import ClassSetInferer
from bundle.classification.lenet import LeNet, TwoLayerCNN
from bundle.classification.modality_gate import ModalityGate
from bundle.mixture.dmome import DMoME
from bundle.mixture.mixers import LogitMixer
from tests.classification.small_cases import small_cases

SETS = [[True, False], [False, True], [True, True]]


def small_network() -> DMoME:
    torch.manual_seed(0)
    extractors = {"image": TwoLayerCNN(), "audio": TwoLayerCNN()}
    experts = {"image": LeNet(28, 3), "audio": LeNet(20, 3)}
    return DMoME(experts, ModalityGate(extractors, 256), LogitMixer()).eval()


def inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"image": torch.rand(3, 1, 28, 28), "audio": torch.rand(3, 1, 20, 20)}


def test_each_set_gets_what_the_network_says_of_it_alone():
    network, values = small_network(), inputs()
    with torch.no_grad():
        found = ClassSetInferer(SETS)(values, network, torch.ones(3, 2, dtype=torch.bool))
        for place, flags in enumerate(SETS):
            alone = torch.softmax(network(values, torch.tensor([flags] * 3)), dim=-1)
            assert torch.allclose(found["probabilities"][:, place], alone, atol=1e-6)
    assert torch.allclose(found["weights"].sum(dim=2), torch.ones(3, 3))
    assert found["weights"][0, 0].tolist() == [1, 0]


def test_what_a_case_does_not_have_is_unknown_whatever_its_tensor_holds():
    network, values = small_network(), inputs()
    presence = torch.tensor([[True, True], [True, False], [False, True]])
    values["audio"][1] = torch.nan
    with torch.no_grad():
        found = ClassSetInferer(SETS)(values, network, presence)["probabilities"]
    known = torch.isfinite(found).all(dim=2)
    assert known.tolist() == [[True, True, True], [True, False, False], [False, True, False]]


def test_a_mixture_of_small_cases_reads_a_mapping():
    cases = small_cases()
    network = DMoME(
        {"image": LeNet(12, 3), "audio": LeNet(12, 3)},
        ModalityGate({"image": TwoLayerCNN(), "audio": TwoLayerCNN()}, 256),
        LogitMixer(),
    )
    values = cases.read([0, 1]) | {"audio": torch.rand(2, 1, 12, 12)}
    assert network(values, cases.presence[:2]).shape == (2, 3)
