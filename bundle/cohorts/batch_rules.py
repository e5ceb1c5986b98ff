"""How a batch goes on: what is done again, for how long a case may take, and when it ends early."""

from dataclasses import dataclass

from bundle.cohorts.shard import Shard


@dataclass(frozen=True)
class BatchRules:
    """The choices, the same for all cases of a run.

    Attributes:
        again: compute also what an earlier run has done.
        case_timeout_s: after so many seconds a case has failed; None for no limit.
        retries: how often a case is tried again that failed for a reason that may go away.
        stop_after_failures: the run ends once so many cases have failed; None to go on.
        shard: the share of this process; None for all cases.
    """

    again: bool = False
    case_timeout_s: float | None = None
    retries: int = 0
    stop_after_failures: int | None = None
    shard: Shard | None = None


def batch_rules(
    *,
    again: bool = False,
    case_timeout_s: float | None = None,
    retries: int = 0,
    stop_after_failures: int | None = None,
    shard: str | None = None,
) -> BatchRules:
    """Make rules of the settings of a config.

    Args:
        again: see `BatchRules`, as are the others.
        case_timeout_s: seconds.
        retries: a number.
        stop_after_failures: a number.
        shard: such as ``3/10``.

    Raises:
        UsageError: E_USAGE, the shard is none.
    """
    share = None if shard is None else Shard.parse(shard)
    return BatchRules(again, case_timeout_s, retries, stop_after_failures, share)
