"""What a quantized model must hold to be shipped."""

from __future__ import annotations

from measure.race import Race
from quantize.proof.build_record import Change
from quantize.recipe import Gate


def objections(change: Change, race: Race, gate: Gate) -> list[str]:
    """Why the gate stays shut, a phrase each; empty where the model passes."""
    found = _damage(change, gate)
    if race.ratio > gate.ratio:
        found.append(f"int8 takes {race.ratio:.2f} of float's time, over {gate.ratio:.2f}")
    return found


def holds(change: Change, gate: Gate) -> bool:
    """Whether the answers are as good as the gate wants them, whatever the speed."""
    return not _damage(change, gate)


def _damage(change: Change, gate: Gate) -> list[str]:
    found = []
    if change.drop > gate.drop + 1e-9:
        found.append(f"accuracy drops {change.drop:.2f} points, over {gate.drop:.2f}")
    if change.board_drop > gate.board_drop + 1e-9:
        worst = max(change.board, key=change.board.__getitem__)
        found.append(
            f"balanced accuracy over all domains drops {change.board_drop:.2f} points, "
            f"over {gate.board_drop:.2f} (most on {worst}: {change.board[worst]:.2f})"
        )
    if change.agreement < gate.agreement:
        found.append(f"{change.agreement:.1%} of faces keep their answer, under {gate.agreement:.1%}")
    return found
