"""The layouts that ferlite reads, in the order in which they are tried."""

LAYOUTS = {
    "fer2013-npz": "train.readers.fer2013:PACKED",
    "fer2013-csv": "train.readers.fer2013:CSV",
    "affectnet": "train.readers.affectnet:LAYOUT",
    "rafdb": "train.readers.rafdb:LAYOUT",
    "ckplus": "train.readers.ck:CK_PLUS",
    "ck48": "train.readers.ck:CK48",
    "jaffe": "train.readers.jaffe:LAYOUT",
    "folders": "train.readers.folders:LAYOUT",
}
