"""What a build tells in a bundle's model card: what it learnt from, and what was measured."""

from __future__ import annotations

from edge.bundle import Bundle
from pages.card import compose, table
from quantize.network.source import Source
from quantize.proof.build_record import BuildRecord
from train import lineage, public_weights, recipe

RESEARCH = "research use only"

RUN = """\
The training and test faces are FER2013 (Goodfellow et al., *Challenges in Representation Learning*,
ICONIP 2013): 48 x 48 grey pictures gathered by a web search, labelled by few people and noisily; the
crowd's votes of FER+ (Barsoum et al., ICMI 2016, MIT) are used beside the labels where the training recipe
says so. No authoritative licence for the pictures is known. **Treat these weights as research-only.**

Training left out every training picture that repeats, exactly or nearly, in either test split, and every
blank one; {train} were left."""

BESIDE = """\
{share:.0%} of each batch of the last training came from other data sets, which the comment on top of
{file} beside this card names, and whose terms hold too."""

OTHERS = """\
The network came as an ONNX file. Its maker says that it was trained on: {trained_on}. Terms: {terms}.
Whether faces of the test splits below were among those that it learnt from is not known."""

SPLITS = """\
Both test splits of FER2013 are used whole. Int8 recipe and scaling (and a run's weights) were chosen on the
public split ({public} faces); the private split ({private} faces) was only measured on. Int8 was calibrated
on FER2013's training faces alone."""

MEASURED = """\
Accuracy is the share of faces given their FER2013 label, or (ferplus) what most of the ten voters of FER+
chose, of the faces on which most agree; float is the same network before quantization in the same engine;
agreement is the share of faces to which both give the same answer; ECE is the expected calibration error of
the weights, before and after each engine's logits are divided by its temperature (Guo et al., ICML 2017),
fitted on its own answers to the public split, and the prior of these very annotators is put in."""


def data(record: BuildRecord, recipe_text: str) -> list[str]:
    """What the network learnt from, what it began with, and what was measured on.

    ``recipe_text`` is its run's recipe.
    """
    counts = {name.rsplit("-", 1)[-1]: count for name, count in record.data.items()}
    made = record.made_by.train
    if "trained_on" in made:
        return [OTHERS.format(**made), "", SPLITS.format(**counts)]
    return [
        RUN.format(**counts),
        "",
        *_beside(recipe_text, made["file"]),
        *public_weights.describe(lineage.read(made)),
        "",
        SPLITS.format(**counts),
    ]


def _beside(recipe_text: str, file: str) -> list[str]:
    """What taught beside FER2013 and FER+, as far as the recipe tells."""
    learnt = recipe.parse(recipe_text, file).data
    said = [BESIDE.format(share=learnt.second_share, file=file)] if learnt.second_share else []
    if learnt.soft_labels:
        said.append(f"Answers of others' networks taught beside the labels: {', '.join(learnt.soft_labels)}.")
    return [*said, ""] if said else []


def description(source: Source) -> str:
    """One sentence for bundle.json and the card's head."""
    kind = "grey" if source.input.colour == "grey" else "colour"
    foreign = source.origin.get("trained_on")
    learnt = (
        f"trained on {foreign}: {source.origin['terms']}" if foreign else f"trained on FER2013: {RESEARCH}"
    )
    return (
        f"{source.backbone} for {source.input.size} x {source.input.size} {kind} faces, "
        f"{len(source.labels)} expressions, {learnt}"
    )


def card(bundle: Bundle, record: BuildRecord, recipe_text: str) -> str:
    """CARD.md of a built bundle, every figure taken from its record; ``recipe_text``: see ``data``."""
    machine = record.machine
    measured = [
        f"On {record.date}, by `{record.made_by.command}` (full record: build.json).",
        MEASURED,
        f"All else is after it. The prior is `{bundle.prior}` unless `--prior` says otherwise.",
        "",
        *_table(record),
        "",
        *_under_priors(record),
        "F1 per expression on the private split, under FER2013's prior:",
        "",
        *_per_class(record),
        "",
        f"Speed on {machine} ({machine.arch}), batch 1, 1 thread; float and int8 ran in turns, so their",
        "ratio can be relied on more than the times:",
        "",
        *_speeds(record),
    ]
    return compose(
        bundle.name,
        f"{bundle.description}. Labels, in order: {', '.join(bundle.labels)}.",
        [
            ("Data and terms", data(record, recipe_text)),
            ("Measured", measured),
            ("Made by", _recipes(record)),
        ],
    )


def _under_priors(record: BuildRecord) -> list[str]:
    """The first engine's accuracy on the private split under each prior, and what int8 cost by domain."""
    engine, climb = next(iter(record.engines.items()))
    rows = []
    for prior, held in climb.crossed.items():
        cells = [prior]
        for who in ("fer2013", "ferplus"):
            cells += [f"{held[who].accuracy:.1%}", f"{held[who].ece:.1%}"] if who in held else ["", ""]
        rows.append(cells)
    lines = [
        f"Accuracy on the private split under each prior ({engine}):",
        "",
        *table(("prior", "FER2013", "ECE", "FER+", "ECE"), rows),
    ]
    lost = [
        f"{name} {sum(board.values()) / len(board):+.2f} ("
        + ", ".join(f"{domain} {points:+.2f}" for domain, points in board.items())
        + ")"
        for name, each in record.engines.items()
        if each.timed and each.timed.change and (board := each.timed.change.board)
    ]
    if lost:
        lines += ["", f"Balanced accuracy that int8 lost over all domains, in points: {'; '.join(lost)}."]
    return [*lines, ""]


def _table(record: BuildRecord) -> list[str]:
    rows = [
        (
            f"{engine} {row.precision}",
            row.data,
            str(row.shipped.images),
            f"{row.plain.accuracy:.2%}",
            f"{row.shipped.accuracy:.2%}",
            f"{row.shipped.macro_f1:.3f}",
            f"{row.ece_before:.2%}",
            f"{row.ece:.2%}",
            f"{row.change.agreement:.1%}",
        )
        for engine, climb in record.engines.items()
        for row in climb.figures
    ]
    words = "engine, split, faces, float accuracy, accuracy, macro-F1, ECE before, ECE, agreement"
    return table(words.split(", "), rows)


def _per_class(record: BuildRecord) -> list[str]:
    rows = [
        [f"{engine} {row.precision}", *(f"{value:.2f}" for value in row.shipped.f1)]
        for engine, climb in record.engines.items()
        if (row := climb.own("private"))
    ]
    return table(("engine", *record.labels), rows)


def _speeds(record: BuildRecord) -> list[str]:
    rows = []
    for engine, climb in record.engines.items():
        size, rung = f"{climb.float.bytes / 1e6:.2f}", climb.timed
        cells = [f"{engine}: no int8 passed, float ships", size, size, "", "", "", ""]
        if rung and rung.race:
            cells = [
                climb.library,
                f"{(rung.bytes or 0) / 1e6:.2f}",
                size,
                f"{rung.race.int8_ms:.2f}",
                f"{rung.race.float_ms:.2f}",
                f"{rung.race.ratio:.2f}",
                f"{rung.peak_rss_mib or 0:.0f}",
            ]
        rows.append(cells)
    return table(("engine", "MB", "float MB", "ms", "float ms", "ratio", "peak MiB"), rows)


def _recipes(record: BuildRecord) -> list[str]:
    train = record.made_by.train
    return [
        f"- `{train['recipe']}`, described in {train['file']}, sha256 `{train['sha256']}`",
        *(
            f"- {engine}: quantization recipe `{used.recipe}`, sha256 `{used.sha256}`"
            for engine, used in record.made_by.quantize.items()
        ),
        f"- weights before quantization: sha256 `{train['weights_sha256']}`",
    ]
