"""The sources of extra inputs. To add one: a file beside this and a line here."""

EXTRAS = {
    "regions": "edge.extras.regions:Regions",
    "memory": "edge.extras.memory:Memory",
    "reference": "edge.extras.reference:Reference",
}
# Those that keep what the network gives beside its logits: as many numbers a face as they are wide.
KEEPING = ("memory", "reference")
