"""The sources of extra inputs. To add one: a file beside this and a line here."""

EXTRAS = {
    "regions": "edge.extras.regions:Regions",
}
