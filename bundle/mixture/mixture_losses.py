"""Losses of the two training stages, built on a task loss of each case and region."""

from collections.abc import Callable, Sequence

import ignite.distributed as idist
import torch
from torch import Tensor, nn

from bundle.mixture.mixing import chosen_cases
from bundle.tensors import plain_tensor

TaskLoss = Callable[[Tensor, Tensor], Tensor]


class ExpertsLoss(nn.Module):
    """Stage 1: the sum of the experts' own task losses.

    A sum of terms that share no parameter: every expert is trained exactly as if it were alone.
    With several processes, gradients averaged over them are those of one process that has all their
    cases, also where modalities are missing; the processes then exchange M numbers per call, so all
    of them must call.

    Args:
        task_loss: (logits, target) to one value per case, (B,) or (B, R).
        names: of the experts, for ``parts``; left out, they are called ``expert_0`` and so on.

    Attributes:
        parts: detached terms of the last call by expert; those without a case are left out.
    """

    def __init__(self, task_loss: TaskLoss, names: Sequence[str] | None = None) -> None:
        super().__init__()
        self.task_loss = task_loss
        self.names = None if names is None else tuple(names)
        self.parts: dict[str, Tensor] = {}

    def forward(self, pred: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        """Add up the losses of the experts whose modality is present.

        Args:
            pred: expert logits (B, M, R, ...) and presence (B, M) bool; on the CPU it costs no
                device sync.
            target: (B, ...), as the task loss takes it.

        Returns:
            A scalar; each expert contributes the mean over the cases that have its modality.
            Without any such case it is a zero whose backward pass touches no parameter.
        """
        expert_logits, presence = pred
        present, target = presence.cpu(), plain_tensor(target).float()
        shares = _shares_of_cases(present)
        terms = {}
        for m, logits in enumerate(expert_logits.unbind(1)):
            cases = present[:, m].nonzero().flatten()
            if len(cases):
                own, truth = chosen_cases(logits, cases), chosen_cases(target, cases)
                loss = self.task_loss(own, truth).mean()
                terms[self._name(m)] = loss if shares is None else loss * shares[m]
        self.parts = {name: term.detach() for name, term in terms.items()}
        if not terms:
            return torch.zeros((), device=target.device, requires_grad=True)
        return torch.stack(list(terms.values())).sum()

    def _name(self, m: int) -> str:
        return f"expert_{m}" if self.names is None else self.names[m]


class MoFeLoss(nn.Module):
    """Stage 2: the task loss of both modality sets, and a hinge where more modalities do worse than
    fewer.

    Both predictions must come from the same sample, or the hinge compares samples.

    Args:
        task_loss: (logits, target) to (B, R), or to (B,) where regions have no loss of their own.
        weight: lambda, the weight of the hinge.
        per_region: take the hinge per case and region, then average; else per case, on the mean
            over regions.
        stop_fewer_gradient: let the hinge pull the larger set's loss down without pushing the
            smaller set's up.
        rank_by: what the hinge compares instead of the task loss, of the same form; lower is
            better. This is ours, not the paper's.
        experts: a loss of what the experts say alone, which is added: an expert that the mixture
            trusts little learns little from the mixture. This is ours, not the paper's.
        experts_weight: of that loss.

    Attributes:
        parts: detached means of the last call: ``more``, ``fewer`` and the unweighted ``hinge``,
            and the unweighted sum ``experts``, where there is one.

    Source: Li et al., SimMLM, arXiv:2507.19264, More-vs-Fewer ranking loss:
        l(o+, y) + l(o-, y) + lambda * max(0, l(o+, y) - l(o-, y)).
    """

    def __init__(
        self,
        task_loss: TaskLoss,
        weight: float = 0.1,
        *,
        per_region: bool = False,
        stop_fewer_gradient: bool = False,
        rank_by: TaskLoss | None = None,
        experts: ExpertsLoss | None = None,
        experts_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.task_loss = task_loss
        self.weight = weight
        self.per_region = per_region
        self.stop_fewer_gradient = stop_fewer_gradient
        self.rank_by = rank_by
        self.experts = experts
        self.experts_weight = experts_weight
        self.parts: dict[str, Tensor] = {}

    def forward(self, pred: tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Compute the loss of a batch.

        Args:
            pred: logits of the larger and of the smaller modality set, each (B, R, ...); with
                ``experts`` also what that takes, expert logits and the flags of those that ran.
            target: (B, ...), as the task loss takes it.

        Returns:
            A scalar, the mean over cases.
        """
        target = plain_tensor(target).float()  # once for all comparisons
        more, fewer = self._compared(self.task_loss, pred, target)
        ranked = more, fewer
        if self.rank_by is not None:
            ranked = self._compared(self.rank_by, pred, target)
        hinge = torch.relu(
            ranked[0] - (ranked[1].detach() if self.stop_fewer_gradient else ranked[1])
        )
        named = {"more": more, "fewer": fewer, "hinge": hinge}
        self.parts = {name: value.detach().mean() for name, value in named.items()}
        loss = (more + fewer + self.weight * hinge).mean()
        if self.experts is None:
            return loss
        of_experts = self.experts((pred[2], pred[3]), target)
        self.parts["experts"] = of_experts.detach()
        return loss + self.experts_weight * of_experts

    def _compared(
        self, compare: TaskLoss, pred: tuple[Tensor, ...], target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compare both predictions with the truth: two of (B, R), or of (B,)."""
        more, fewer = compare(pred[0], target), compare(pred[1], target)
        return (more, fewer) if self.per_region else (_mean_of_case(more), _mean_of_case(fewer))


def _mean_of_case(loss: Tensor) -> Tensor:
    """Average a loss over regions, (B, R) to (B,); one that has none stays as it is."""
    return loss if loss.dim() == 1 else loss.mean(dim=1)


def _shares_of_cases(present: Tensor) -> Tensor | None:
    """Return, per expert, W x own cases / cases of all W processes, as (M,).

    None where there is one process.
    """
    n_processes = idist.get_world_size()
    if n_processes == 1:
        return None
    own = present.sum(dim=0).to(idist.device(), torch.float32)
    everyone = torch.as_tensor(idist.all_reduce(own.clone()))
    return n_processes * own / everyone.clamp(min=1)
