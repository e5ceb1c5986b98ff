"""What the tables of tasks of classes compare."""

from dataclasses import dataclass, field

Settings = tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Row:
    """One way to train.

    Attributes:
        name: of its folder.
        title: on the page.
        overlays: configs by name.
        settings: of stage 2, or of all that it trains.
        condition: settings of the data, in both stages; rows of one condition share their experts.
        has_experts: starts from the experts of stage 1.
    """

    name: str
    title: str
    overlays: tuple[str, ...] = ()
    settings: Settings = ()
    condition: Settings = ()
    has_experts: bool = True

    @property
    def condition_name(self) -> str:
        words = []
        for name, value in self.condition:
            shown = (
                "".join(f"{key}-{share}" for key, share in value.items())
                if isinstance(value, dict)
                else str(value)
            )
            words.append(f"-{name}-{shown}")
        return "".join(words)

    def under(self, **condition: object) -> "Row":
        """The same under other conditions."""
        return Row(
            self.name,
            self.title,
            self.overlays,
            self.settings,
            tuple(condition.items()),
            self.has_experts,
        )


UNTRAINED: Settings = (("learning_rate", 0.0), ("epochs", 1))

SIMMLM = Row("simmlm", "SimMLM (logits, gate, lambda 0.1)")
WITHOUT_MOFE = Row("lambda_0", "DMoME without the ranking loss (lambda 0)", ("without_mofe",))
STATIC = Row("static_averaging", "static averaging", ("static_averaging",))
PROBABILITY = Row("probability_level", "probability-level mixing", ("probability_level",))
FEATURE = Row("feature_level", "feature-level mixing", ("feature_level",))
FROM_SCRATCH = Row(
    "without_pretraining",
    "without expert pretraining",
    ("without_pretraining",),
    has_experts=False,
)
MOMKE = Row("momke", "MoMKE", ("momke",))
SHASPEC = Row("shaspec", "ShaSpec", ("shaspec",), has_experts=False)
CONCATENATION = Row(
    "concatenation",
    "concatenation with modality dropout",
    ("concatenation",),
    has_experts=False,
)
AVERAGED = Row(
    "stage_1_averaged", "stage 1 only, logits averaged", ("static_averaging",), UNTRAINED
)
ADDED = Row("stage_1_added", "stage 1 only, logits added up", ("sum_of_logits",), UNTRAINED)
SUM = Row("sum_of_logits", "logits added up, no gate", ("sum_of_logits",))
GATED_SUM = Row("gated_sum", "logits added up, with the gate", ("gated_sum",))
TEMPERED = Row("tempered_sum", "logits added up, learned temperatures", ("tempered_sum",))
PRESENCE = Row("presence_gate", "gate that knows what is present", ("presence_gate",))
LOGIT_GATE = Row("logit_gate", "gate on the experts' logits", ("logit_gate",))
ENTROPY = Row("entropy_gate", "gate on the experts' entropies", ("entropy_gate",))
LOGIT_SUM = Row("logit_gate_sum", "gate on the experts' logits, added up", ("logit_gate_sum",))
LAMBDAS = {
    weight: Row(f"lambda_{weight:g}", f"lambda {weight:g}", settings=(("mofe_weight", weight),))
    for weight in (0.01, 0.05, 0.2, 0.5, 1.0)
}
OURS = (SUM, GATED_SUM, TEMPERED, PRESENCE, LOGIT_GATE, ENTROPY, LOGIT_SUM)
MAIN = (
    *(SIMMLM, WITHOUT_MOFE, AVERAGED, STATIC, PROBABILITY, FEATURE, FROM_SCRATCH),
    *(MOMKE, SHASPEC, CONCATENATION),
)


@dataclass(frozen=True)
class Study:
    """The tables of one task.

    Attributes:
        title: of the page.
        page: its file.
        variable: of make, that names the data.
        modalities: their names as the tables head them, and as the sets are called.
        rows: everything that is trained.
        coverages: shares of the second modality.
        coverage_of: that modality.
        clean: rows under another condition of the data, and what that is.
        paper: main row of the paper, in %, per set.
        paper_data: what it was measured on, if that is something else.
        n_seeds: of trainings.
        epochs: of stage 1 and of stage 2; what has no stage 1 gets the sum.
        settings: of all trainings and judgements.
        about: what is said of the data, by lines.
    """

    title: str
    page: str
    variable: str
    modalities: dict[str, str]
    coverage_of: str
    paper: tuple[float, ...]
    paper_correlation: tuple[float, ...] | None
    n_seeds: int
    epochs: tuple[int, int]
    settings: Settings
    about: str
    drawn: str
    covered: tuple[Row, ...] = ()
    coverages: tuple[float, ...] = ()
    clean: tuple[Row, ...] = ()
    clean_title: str = ""
    paper_data: str = ""
    main: tuple[Row, ...] = MAIN
    ours: tuple[Row, ...] = (ADDED, *OURS)
    lambdas: dict[float, Row] = field(default_factory=lambda: LAMBDAS)

    @property
    def both(self) -> str:
        return "+".join(self.modalities)

    def covered_rows(self, share: float) -> tuple[Row, ...]:
        """The rows at a coverage; at all of it those of the main table."""
        if share == 1:
            return self.covered
        return tuple(row.under(coverage={self.coverage_of: share}) for row in self.covered)

    @property
    def rows(self) -> tuple[Row, ...]:
        few = [row for share in self.coverages if share < 1 for row in self.covered_rows(share)]
        return (*self.main, *self.lambdas.values(), *self.ours, *few, *self.clean)


AVMNIST = Study(
    title="Audio-visual MNIST",
    page="results_avmnist.md",
    variable="AVMNIST",
    modalities={"image": "image", "audio": "sound"},
    coverage_of="audio",
    paper=(92.69, 91.61, 99.27),
    paper_correlation=None,
    n_seeds=10,
    epochs=(20, 10),
    settings=(),
    about=(
        "1,050 training and 450 test pairs in the split of Ma et al. (SMIL, AAAI 2021): MNIST"
        " (LeCun, Cortes; CC BY-SA 3.0) and three speakers of the Free Spoken Digit Dataset"
        " (CC BY-SA 4.0), made by `simmlm prepare avmnist`; MFCC as SMIL published it"
    ),
    drawn="1,050 drawn training and 450 drawn test pairs (no real digits)",
    covered=(SIMMLM, MOMKE, SHASPEC),
    coverages=(0.05, 0.1, 0.2, 0.3, 0.5, 1),
    clean=tuple(
        row.under(audio_kind="20frames")
        for row in (SIMMLM, AVERAGED, STATIC, SUM, GATED_SUM, MOMKE, SHASPEC)
    ),
    clean_title="Sound over the whole recording (20 frames)",
)
IMAGE_TEXT = Study(
    title="Image and text: Noto emoji",
    page="results_image_text.md",
    variable="EMOJI",
    modalities={"image": "image", "text": "text"},
    coverage_of="text",
    paper=(72.20, 87.20, 94.99),
    paper_correlation=(0.29, 0.41),
    n_seeds=5,
    epochs=(30, 10),
    settings=(("image_size", 32), ("max_tokens", 64)),
    about=(
        "1,906 Noto emoji (Google, Apache-2.0) of 32 x 32 pixels with their Unicode names"
        " (emoji-datasource, MIT), 9 Unicode groups, 30 % of each for test. **This is not UPMC"
        " Food-101**, which is not at hand: it stands in for it, in its layout. Sizes, rates and"
        " epochs were chosen on a fifth of the training cases; dropout came in after one look at the"
        " test cases"
    ),
    drawn="drawn plates with titles (no real images)",
    paper_data=", on UPMC Food-101",
)
STUDIES = {"avmnist": AVMNIST, "image_text": IMAGE_TEXT}
