"""The layouts that ferlite reads, in the order in which they are tried."""

LAYOUTS = {
    "lfw": "faces.readers.lfw:LFW",
    "imfdb": "faces.readers.lfw:IMFDB",
    "rendered": "faces.readers.rendered:LAYOUT",
    "clips": "faces.readers.clips:LAYOUT",
    "rendered-newborns": "faces.readers.rendered:NEWBORNS",
    "fer2013-npz": "faces.readers.fer2013:PACKED",
    "fer2013-csv": "faces.readers.fer2013:CSV",
    "affectnet": "faces.readers.affectnet:LAYOUT",
    "rafdb": "faces.readers.rafdb:LAYOUT",
    "ckplus": "faces.readers.ck:CK_PLUS",
    "ck48": "faces.readers.ck:CK48",
    "jaffe": "faces.readers.jaffe:LAYOUT",
    "neonatal": "faces.readers.neonatal:LAYOUT",
    "folders": "faces.readers.folders:LAYOUT",
}
