"""Time of one expert's forward pass on the CPU against its U-Net as torch lays it out.

    python tests/benchmarks/expert.py [--threads 1] [--runs 3] [--amp]

Both are the U-Net of configs/train.yaml with equal weights; they are refused unless they predict the
same. CPU seconds, the least of the runs, which alternate. The last line is JSON: per window the
ratio of ours to torch's and both times.
"""

import argparse
import json
import time

import torch
from monai.networks.nets import DynUNet
from torch import Tensor, nn

from bundle.volume_networks.experts import unet

WINDOWS = ((96, 96, 96), (160, 192, 160))
FILTERS = [8, 16, 32, 64, 80, 80]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--amp", action="store_true", help="in bfloat16")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    plain, ours = networks()
    figures = {}
    with (
        torch.inference_mode(),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.amp),
    ):
        for window in WINDOWS:
            figures["x".join(map(str, window))] = measured(plain, ours, window, options.runs)
    print(json.dumps({"amp": options.amp, "threads": options.threads, **figures}))


def networks() -> tuple[nn.Module, nn.Module]:
    """Build torch's and ours, of equal weights."""
    torch.manual_seed(0)
    ours, n_levels = unet(filters=FILTERS, out_channels=3), len(FILTERS)
    plain = DynUNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=3,
        kernel_size=[3] * n_levels,
        strides=[1] + [2] * (n_levels - 1),
        upsample_kernel_size=[2] * (n_levels - 1),
        filters=FILTERS,
        norm_name=("instance", {"affine": True}),
    )
    plain.load_state_dict(ours.state_dict())
    return plain.eval(), ours.eval()


def measured(
    plain: nn.Module, ours: nn.Module, window: tuple[int, ...], runs: int
) -> dict[str, float]:
    """Time both on one window.

    Raises:
        SystemExit: they predict differently.
    """
    image = torch.randn(1, 1, *window)
    difference = float((plain(image).float() - ours(image).float()).abs().max())
    allowed = 0.5 if torch.is_autocast_enabled("cpu") else 1e-3
    if not difference <= allowed:
        raise SystemExit(f"Both must predict the same; got a difference of {difference:.1e}.")
    pairs = [(seconds(plain, image), seconds(ours, image)) for _ in range(runs)]
    torchs, own = (min(times) for times in zip(*pairs, strict=True))
    print(f"{window}: torch {torchs:.2f} s, ours {own:.2f} s, difference {difference:.1e}")
    return {"ratio": round(own / torchs, 3), "torch_s": round(torchs, 3), "ours_s": round(own, 3)}


def seconds(network: nn.Module, image: Tensor) -> float:
    started = time.process_time()
    network(image)
    return time.process_time() - started


if __name__ == "__main__":
    main()
