"""The systems. To add one: a file beside this and a line here."""

SYSTEMS = {
    "plain": "train.systems.plain:Plain",
    "dcd_dan": "train.systems.dcd_dan:DcdDan",
    "quantum": "train.systems.quantum:Quantum",
}
