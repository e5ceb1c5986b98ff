"""Averages weights of one network, such as those before and after a fine-tuning.

python models/average_weights.py first/model.pt run/model.pt --out model.pt
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bundle.errors import explain
from bundle.weights.averages import average_weights


def main() -> None:
    """Average the weights that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="+", type=Path, help="two or more files")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        average_weights(arguments.weights, arguments.out)
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        sys.exit(f"{known.code}: {known}")


if __name__ == "__main__":
    main()
