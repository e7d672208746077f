"""Four-qubit circuits on 2 x 2 pixels, simulated exactly: they are small orthogonal matrices.

A pixel p in 0-1 turns its qubit by RY(pi p); then come layers of RY and a ring of CNOTs. All of these are
real, so the state is 16 real amplitudes: the Kronecker product of (cos, sin) of the half angles, times an
orthogonal 16 x 16 matrix. What is read is the expectation of Z of each qubit: squared amplitudes times signs.
Qubit 0 is the most significant bit of an amplitude's number.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

QUBITS, STATES = 4, 16
# Of each qubit, its bit in every basis state.
_BITS = [[state >> (QUBITS - 1 - qubit) & 1 for state in range(STATES)] for qubit in range(QUBITS)]


def ry(angle: torch.Tensor) -> torch.Tensor:
    """RY(angle) as a real matrix [2, 2]."""
    c, s = torch.cos(angle / 2), torch.sin(angle / 2)
    return torch.stack([torch.stack([c, -s]), torch.stack([s, c])])


def ring() -> torch.Tensor:
    """CNOTs from each qubit to the next and from the last to the first, in that order: [16, 16]."""
    whole = torch.eye(STATES)
    for control in range(QUBITS):
        target = (control + 1) % QUBITS
        gate = torch.zeros(STATES, STATES)
        for state in range(STATES):
            flips = state >> (QUBITS - 1 - control) & 1
            gate[state ^ (flips << (QUBITS - 1 - target)), state] = 1
        whole = gate @ whole
    return whole


def unitary(angles: torch.Tensor) -> torch.Tensor:
    """The matrix [16, 16] of a circuit with ``angles`` [layers, 4]: each RY on all qubits, then the ring."""
    whole, cnots = torch.eye(STATES).to(angles), ring().to(angles)
    for layer in angles:
        turned = ry(layer[0])
        for angle in layer[1:]:
            turned = torch.kron(turned, ry(angle))
        whole = cnots @ turned @ whole
    return whole


def signs() -> torch.Tensor:
    """Z of each qubit in each basis state, [4, 16]: 1 or -1."""
    return 1 - 2 * torch.tensor(_BITS).float()


class QuantumStem(nn.Module):
    """``filters`` circuits over 2 x 2 pixels at stride 2: [N, 1, S, S] to [N, 4 * filters, S/2, S/2].

    A pixel's level in 0-1 is ``x * std + mean`` over 255, as the recipe's normalisation says.
    """

    unitaries: torch.Tensor
    signs: torch.Tensor

    def __init__(self, mean: float, std: float, filters: int = 4, layers: int = 2) -> None:
        super().__init__()
        self._scale, self._shift = std / 255 * math.pi / 2, mean / 255 * math.pi / 2
        self._filters = filters
        self.angles = nn.Parameter(torch.rand(filters, layers, QUBITS) * 2 * math.pi)
        self.register_buffer("signs", signs().repeat(filters, 1)[:, :, None, None], persistent=False)
        self.register_buffer("unitaries", self._unitaries().detach(), persistent=False)

    def _unitaries(self) -> torch.Tensor:
        return torch.cat([unitary(angles) for angles in self.angles])[:, :, None, None]

    def train(self, mode: bool = True) -> QuantumStem:
        """In evaluation the circuits stand still: their matrices are constants of what is exported."""
        if not mode:
            with torch.no_grad():
                self.unitaries = self._unitaries()
        super().train(mode)
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class; each qubit's expectation lies in -1 to 1."""
        if not self.training:
            return self._expectations(x, self.unitaries)
        # In bfloat16 a circuit would not be orthogonal, nor a sum of squared amplitudes one.
        with torch.autocast(x.device.type, enabled=False):
            return self._expectations(x, self._unitaries())

    def _expectations(self, x: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
        halves = x * self._scale + self._shift
        cosines, sines = torch.cos(halves), torch.sin(halves)
        qubits = [
            torch.cat([part[:, :, row::2, column::2] for part in (cosines, sines)], 1)
            for row in range(2)
            for column in range(2)
        ]
        # Amplitude k is the product over qubits of the cosine or sine that its bit names.
        state = qubits[0][:, _BITS[0]]
        for qubit, bits in zip(qubits[1:], _BITS[1:], strict=True):
            state = state * qubit[:, bits]
        amplitudes = F.conv2d(state, matrices)
        return F.conv2d(amplitudes * amplitudes, self.signs, groups=self._filters)
