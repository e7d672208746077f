"""The systems. To add one: a file beside this and a line here."""

SYSTEMS = {
    "plain": "train.systems.plain:Plain",
    "dcd_dan": "train.systems.dcd_dan:DcdDan",
    "map_net": "train.systems.map_net:MapNet",
    "neonatal": "train.systems.neonatal:Neonatal",
    "prepared_cnn": "train.systems.prepared_cnn:PreparedCnn",
    "quantum": "train.systems.quantum:Quantum",
    "tfen": "train.systems.tfen:Tfen",
}
