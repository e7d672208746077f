"""The sinks. To add one: a file beside this and a line here; it is then one of --sink's kinds."""

from typing import NamedTuple


class Kind(NamedTuple):
    """``where`` its class is; ``named``: asked for as KIND:FILE. Of the others --save takes one."""

    where: str
    named: bool


SINKS = {
    "jsonl": Kind("edge.sinks.json_lines:JsonLinesSink", True),
    "csv": Kind("edge.sinks.csv_rows:CsvSink", True),
    "table": Kind("edge.sinks.text_table:TableSink", True),
    "pictures": Kind("edge.sinks.pictures:PictureSink", False),
    "video": Kind("edge.sinks.video:VideoSink", False),
}
