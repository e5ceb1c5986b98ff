"""Time and memory of one stage-2 training step against a plain implementation of the paper.

    python tests/benchmarks/train_step.py [--roi 96 96 96] [--batch 2] [--steps 6] [--device cpu]

Ours is what configs/train.yaml declares, in float32 and in its default precision. The reference is
written here from the paper: a forward pass per modality set, a loop over cases and experts, zero
volumes for absent ones, layers in torch's usual layout. Both are refused unless they agree on the
loss and on every gradient. They take turns, step by step, on the same phantom crops and modality
pairs from equal weights in MONAI's trainer. What a step costs depends on the pair, so the ratios
compare sums over all pairs, which weigh a pair by its share in an epoch as a median does not.
Memory is the peak over the state just before the step, each implementation in a process of its own
(Linux). The last line is JSON.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from monai.data import list_data_collate
from monai.engines import SupervisedTrainer
from monai.inferers import Inferer
from monai.transforms import Compose, NormalizeIntensityd, RandCropByPosNegLabeld
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.flop_counter import FlopCounterMode

from bundle.bundle_config import BundleConfig
from bundle.configuration import load_config, parse_settings
from bundle.mixture.dmome import DMoME
from bundle.mixture.modality_pairs import RandModalityPaird
from bundle.phantoms.phantom_cases import SHAPE, draw_phantom
from bundle.tasks.default import DEFAULT_TASK
from bundle.tensors import plain_tensor
from bundle.training.gradients import GradientClip
from bundle.volume_networks.channels_last import LAYERS

MODALITIES = DEFAULT_TASK.modality_names

KINDS = ("reference", "float32", "default")
TOLERANCE = {  # of the gradient of a part, of the loss
    "float32": (
        2e-2,
        1e-4,
    ),  # on the CPU torch sums the gradient of a bias over a batch to 1e-2 only
    "default": (0.2, 2e-2),
}
GB = 1024**3


def main() -> None:
    options = read_options()
    torch.set_num_threads(options.threads)
    batches = draw_batches(options.roi, options.batch, options.steps, options.seed)
    print(
        f"{options.steps} steps of {options.batch} crops {options.roi}; expert runs"
        f" {expert_runs(batches)}",
        flush=True,
    )
    trainers = {kind: build_trainer(kind, options.settings) for kind in KINDS}
    check_agreement(trainers, batches[0])
    seconds = measure_seconds(trainers, batches)
    tflops = measure_tflops(trainers, batches, seconds) if "cuda" in options.device else {}
    peaks_gb = {kind: measure_memory(kind, options.settings, batches) for kind in KINDS}
    report(seconds, peaks_gb, tflops)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    on_gpu = torch.cuda.is_available()
    parser.add_argument("--device", default="cuda:0" if on_gpu else "cpu")
    parser.add_argument(
        "--roi", type=int, nargs=3, help="voxels; 128 128 128 on a GPU, 96 96 96 on the CPU"
    )
    parser.add_argument("--batch", type=int, help="crops per step; 4 on a GPU, 2 on the CPU")
    parser.add_argument("--steps", type=int, help="of each kind; 12 on a GPU, 6 on the CPU")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of crops, pairs and weights; six steps of 0 are typical",
    )
    parser.add_argument(
        "--set", action="append", default=[], help="setting of configs/train.yaml, KEY=VALUE"
    )
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    options = parser.parse_args()
    roi, batch, steps = ([128] * 3, 4, 12) if options.device != "cpu" else ([96] * 3, 2, 6)
    options.roi, options.batch, options.steps = (
        options.roi or roi,
        options.batch or batch,
        options.steps or steps,
    )
    options.settings = {
        **parse_settings(options.set),
        "device_name": options.device,
        "seed": options.seed,
    }
    return options


# ---- The paper, word for word ----------------------------------------------------


class TwoPasses(Inferer):
    """Run the whole network for the larger sets, then again for the smaller ones."""

    def __call__(
        self, inputs: Tensor, network: DMoME, more: Tensor, fewer: Tensor
    ) -> tuple[Tensor, Tensor]:
        image = plain_tensor(inputs)
        first, second = (
            torch.stack(
                [predict_case(network, *case) for case in zip(image, presence, strict=True)]
            )
            for presence in (more, fewer)
        )
        return first, second


def predict_case(network: DMoME, image: Tensor, presence: Tensor) -> Tensor:
    """Mix the experts of one case: (M, H, W, D) and (M,) bool on the CPU to (R, H, W, D) logits."""
    present = presence.to(image.device)
    masked = image * present[:, None, None, None]
    scores = network.gate(masked[None])[0]
    weights = torch.softmax(scores.masked_fill(~present[:, None], -torch.inf), dim=0)  # (M, R)
    absent = image.new_zeros(scores.shape[1], *image.shape[1:])
    logits = [
        expert(masked[None, m : m + 1])[0] if presence[m] else absent
        for m, expert in enumerate(network.experts.values())
    ]
    return (weights[..., None, None, None] * torch.stack(logits)).sum(dim=0)


class PaperLoss(torch.nn.Module):
    """Dice and cross-entropy of both predictions, and the hinge; Dice is left out where a region is
    empty.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, pred: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        truth = plain_tensor(target).float()
        more, fewer = (task_loss(logits, truth) for logits in pred)
        return (more + fewer + self.weight * torch.relu(more - fewer)).mean()


def task_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the loss of each case: twice (B, R, H, W, D) to (B,)."""
    probabilities = torch.sigmoid(logits)
    overlap = (probabilities * truth).sum(dim=(2, 3, 4))
    size = probabilities.sum(dim=(2, 3, 4)) + truth.sum(dim=(2, 3, 4))
    dice = 1 - (2 * overlap + 1e-5) / (size + 1e-5)
    cross_entropy = binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(
        dim=(2, 3, 4)
    )
    return (cross_entropy + dice * truth.any(dim=4).any(dim=3).any(dim=2)).mean(dim=1)


# ---- What is measured ------------------------------------------------------------


def draw_batches(roi: list[int], batch: int, steps: int, seed: int) -> list[dict[str, Any]]:
    """Draw batches as the data loader gives them: z-scored crops around the tumours of phantoms,
    and modality pairs.
    """
    shape = tuple(max(pair) for pair in zip(roi, SHAPE, strict=True))
    cases = [draw_case((seed, number), shape) for number in range(batch)]
    transform = Compose(
        [
            NormalizeIntensityd("image", nonzero=True, channel_wise=True),
            RandCropByPosNegLabeld(
                ("image", "label"), label_key="label", spatial_size=roi, pos=2, neg=1
            ),
            RandModalityPaird(),
        ]
    ).set_random_state(seed)
    return [list_data_collate([transform(case)[0] for case in cases]) for _ in range(steps)]


def draw_case(seed: tuple[int, int], shape: tuple[int, ...]) -> dict[str, Any]:
    phantom = draw_phantom(seed, shape)
    image = torch.stack(
        [torch.from_numpy(phantom.images[modality]).float() for modality in MODALITIES]
    )
    label = torch.from_numpy(DEFAULT_TASK.labels_to_regions(phantom.label))
    return {
        "image": image,
        "label": label,
        "presence": torch.ones(len(MODALITIES), dtype=torch.bool),
    }


def build_trainer(kind: str, settings: dict[str, Any]) -> SupervisedTrainer:
    """Build the trainer of a kind; equal seeds give equal weights."""
    config = load_config(
        "train.yaml", settings if kind == "default" else {**settings, "amp": False}
    )
    config["network"] = (
        "$@network_def.to(@device)"  # the config's own asks for the experts of stage 1
    )
    torch.manual_seed(config["seed"])
    network = config.get_parsed_content("network")
    plain = kind == "reference"
    if plain:
        as_torch_lays_out(network)
    return SupervisedTrainer(
        device=config.get_parsed_content("device"),
        max_epochs=1,
        train_data_loader=[],
        epoch_length=1,
        network=network,
        optimizer=config.get_parsed_content("optimizer"),
        loss_function=(
            PaperLoss(config["mofe_weight"]) if plain else config.get_parsed_content("loss")
        ),
        inferer=TwoPasses() if plain else config.get_parsed_content("train#inferer"),
        prepare_batch=config.get_parsed_content("train#trainer#prepare_batch"),
        train_handlers=[gradient_clip(config)],
        optim_set_to_none=True,
        decollate=False,
    )


def as_torch_lays_out(network: torch.nn.Module) -> None:
    """Give a network torch's own layers for those that work in channels_last_3d."""
    torchs = {ours: theirs for theirs, ours in LAYERS.items()}
    for layer in network.modules():
        if type(layer) in torchs:
            layer.__class__ = torchs[type(layer)]


def gradient_clip(config: BundleConfig) -> GradientClip:
    """Build the clipping that the config declares among its handlers, which need data and a
    validation.
    """
    names = [
        handler.get("_target_", "") if isinstance(handler, dict) else ""
        for handler in config["train#handlers"]
    ]
    index = next(index for index, name in enumerate(names) if name.endswith(GradientClip.__name__))
    clip: GradientClip = config.get_parsed_content(f"train#handlers#{index}")
    return clip


def check_agreement(trainers: dict[str, SupervisedTrainer], batch: dict[str, Any]) -> None:
    """Compare losses and the gradients of every expert and the gate with the reference's.

    Raises:
        SystemExit: they differ by more than rounding.
    """
    loss, gradients = loss_and_gradients(trainers["reference"], batch)
    for kind in KINDS[1:]:
        other_loss, other_gradients = loss_and_gradients(trainers[kind], batch)
        errors = {"loss": abs(other_loss / loss - 1)}
        errors |= {part: distance(other_gradients[part], gradients[part]) for part in gradients}
        found = ", ".join(f"{name} {error:.1e}" for name, error in errors.items())
        print(
            f"{kind} against the reference, relative errors of loss and gradients: {found}",
            flush=True,
        )
        if not all(error <= TOLERANCE[kind][name == "loss"] for name, error in errors.items()):
            raise SystemExit(
                f"{kind} must agree with the reference; got {found}. Nothing was timed."
            )


def loss_and_gradients(
    trainer: SupervisedTrainer, batch: dict[str, Any]
) -> tuple[float, dict[str, Tensor]]:
    """Return the loss and the gradient of each part as one vector, 0 where a part had no say."""
    network = trainer.network
    network.train().zero_grad(set_to_none=True)
    image, label, _, sets = trainer.prepare_batch(batch, trainer.state.device)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        loss = trainer.loss_function(trainer.inferer(image, network, **sets), label)
        loss.backward()
    parts = {**dict(network.experts.items()), "gate": network.gate}
    return float(loss.detach()), {name: gradient_vector(part) for name, part in parts.items()}


def gradient_vector(part: torch.nn.Module) -> Tensor:
    values = part.parameters()
    return torch.cat(
        [(torch.zeros_like(v) if v.grad is None else v.grad).flatten() for v in values]
    )


def distance(vector: Tensor, expected: Tensor) -> float:
    """Return the length of the difference, relative to the expected vector; 0 where both are 0."""
    return float(
        (vector - expected).norm() / expected.norm().clamp(min=torch.finfo(torch.float32).tiny)
    )


def measure_seconds(
    trainers: dict[str, SupervisedTrainer], batches: list[dict[str, Any]]
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {kind: [] for kind in trainers}
    for number, batch in enumerate(batches, start=1):
        for kind, trainer in trainers.items():
            seconds[kind].append(step_seconds(trainer, batch))
        times = ", ".join(f"{kind} {values[-1]:.2f} s" for kind, values in seconds.items())
        print(f"step {number}: {times}", flush=True)
    return seconds


def step_seconds(trainer: SupervisedTrainer, batch: dict[str, Any]) -> float:
    trainer.data_loader = [batch]
    wait_for(trainer.state.device)
    start = time.perf_counter()
    trainer.run()
    wait_for(trainer.state.device)
    return time.perf_counter() - start


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_memory(kind: str, settings: dict[str, Any], batches: list[dict[str, Any]]) -> float:
    """Return the peak of a kind's steps in GB, measured in a new process."""
    with ProcessPoolExecutor(
        max_workers=1, mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        return pool.submit(
            peak_gb, kind, settings, heaviest(batches), torch.get_num_threads()
        ).result()


def heaviest(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the steps that hold the most at once: both sets' runs count in the reference, the larger
    sets' in ours.
    """
    runs = [(int(batch["more"].sum()), int(batch["fewer"].sum())) for batch in batches]
    chosen = {
        max(range(len(runs)), key=lambda i: sum(runs[i])),
        max(range(len(runs)), key=lambda i: runs[i]),
    }
    return [batches[index] for index in sorted(chosen)]


def peak_gb(
    kind: str, settings: dict[str, Any], batches: list[dict[str, Any]], threads: int
) -> float:
    torch.set_num_threads(threads)
    trainer = build_trainer(kind, settings)
    before, _ = memory_bytes(trainer.state.device)
    for batch in batches:
        step_seconds(trainer, batch)
    return (memory_bytes(trainer.state.device)[1] - before) / GB


def memory_bytes(device: torch.device) -> tuple[int, int]:
    """Return the memory held now and the peak; on the CPU not ru_maxrss, which a process inherits
    from its parent.
    """
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024, int(lines["VmHWM"].split()[0]) * 1024


def count_flops(trainer: SupervisedTrainer, batch: dict[str, Any]) -> int:
    """Count the operations of the forward and the backward pass."""
    with FlopCounterMode(display=False) as counter:
        loss_and_gradients(trainer, batch)
    return counter.get_total_flops()


def measure_tflops(
    trainers: dict[str, SupervisedTrainer],
    batches: list[dict[str, Any]],
    seconds: dict[str, list[float]],
) -> dict[str, float]:
    return {
        kind: sum(count_flops(trainer, batch) for batch in batches) / sum(seconds[kind]) / 1e12
        for kind, trainer in trainers.items()
    }


def expert_runs(batches: list[dict[str, Any]]) -> dict[str, int]:
    """Count how often an expert runs on a case: ours once, the reference once per set."""
    more, fewer = (int(sum(batch[key].sum() for batch in batches)) for key in ("more", "fewer"))
    return {"ours": more, "reference": more + fewer}


def report(
    seconds: dict[str, list[float]], peaks_gb: dict[str, float], tflops: dict[str, float]
) -> None:
    sums = {kind: sum(values) for kind, values in seconds.items()}
    medians = {kind: statistics.median(values) for kind, values in seconds.items()}
    for kind in KINDS:
        speed = f", {tflops[kind]:.1f} TFLOP/s" if tflops else ""
        print(
            f"{kind}: median {medians[kind]:.2f} s, sum {sums[kind]:.1f} s, peak"
            f" {peaks_gb[kind]:.2f} GB{speed}"
        )
    result = {
        "time_ratio": sums["float32"] / sums["reference"],
        "time_ratio_default": sums["default"] / sums["reference"],
        "memory_ratio": peaks_gb["float32"] / peaks_gb["reference"],
        "time_ratio_of_medians": medians["float32"] / medians["reference"],
        "step_s": medians,
        "peak_gb": peaks_gb,
        **({"tflops": tflops} if tflops else {}),
    }
    print(json.dumps(rounded(result)))


def rounded(value: Any) -> Any:
    return (
        {key: rounded(part) for key, part in value.items()}
        if isinstance(value, dict)
        else round(value, 3)
    )


if __name__ == "__main__":
    main()
