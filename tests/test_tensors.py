import torch
from monai.data import MetaTensor

from bundle.tensors import first_tensor, plain_inputs, plain_tensor


def test_a_plain_tensor_shares_the_voxels_and_has_no_metadata():
    image = MetaTensor(torch.zeros(1, 5, 6, 7), affine=torch.eye(4))
    plain = plain_tensor(image)
    plain[0, 1, 2, 3] = 4
    assert type(plain) is torch.Tensor
    assert image[0, 1, 2, 3] == 4


def test_every_tensor_of_an_image_loses_its_metadata():
    image = {"picture": MetaTensor(torch.ones(2, 1, 5, 6)), "sound": torch.ones(2, 7)}
    assert [type(values) for values in plain_inputs(image).values()] == [torch.Tensor] * 2
    assert plain_inputs(image).keys() == image.keys()
    assert type(plain_inputs(MetaTensor(torch.ones(2, 3)))) is torch.Tensor


def test_the_first_tensor_of_an_image_tells_the_number_of_its_cases():
    assert len(first_tensor({"picture": torch.ones(2, 1, 5, 6), "sound": torch.ones(2, 7)})) == 2
    assert len(first_tensor(torch.ones(3, 2, 5))) == 3
