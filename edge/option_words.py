"""One word, one meaning: what every option of every ferlite command means. A test holds all parsers to it.

Before adding a word, look whether there is one for it: ``--out`` for what a verb makes, ``--record`` for the
JSON beside it, ``--engine`` for one engine and ``--engines`` for several.
"""

OPTIONS: dict[str, str] = {
    # everywhere
    "--help": "what can be typed",
    "--version": "of the program, or of a bundle that is signed",
    "--json": "print the result as JSON",
    # what is read
    "--bundle": "a bundle: folder, .zip or shipped name",
    "--config": "settings as JSON",
    "--data": "a data set",
    "--layout": "how the data set is laid out",
    "--split": "which part of the data set",
    "--source": "where frames come from",
    "--data-report": "a record of 'train data --json'",
    "--evaluation": "a record of 'train evaluate'",
    "--init": "weights to start from",
    "--teacher": "a trained run to learn from",
    "--from": "another address of a download",
    # what is written
    "--out": "what the verb makes",
    "--record": "the measurement as JSON",
    "--html": "a page with table and plots",
    "--save": "annotated pictures or video",
    "--mqtt": "the broker that readings are published to",
    "--mqtt-password": "a file with the broker's password",
    "--mqtt-ca": "certificates to trust the broker by",
    "--metrics": "where Prometheus asks",
    "--listen": "where the live page is served",
    "--token-file": "what opens the live page",
    "--sink": "where readings go, as KIND:FILE",
    "--sink-limit-mb": "size at which a sink's file is begun anew",
    "--csv": "figures or readings as CSV",
    # how a model runs
    "--engine": "the one engine",
    "--engines": "engines, with commas",
    "--device": "what the engine or torch computes on",
    "--threads": "threads that compute; 0 leaves the number to the library",
    "--require-signature": "the public key that must have signed the bundle",
    "--prior": "how common expressions are",
    "--smooth": "seconds over which weights are smoothed",
    "--detector": "the face detector",
    "--detector-model": "its weights",
    "--detector-engine": "the engine it runs in",
    "--detect-size": "longer side searched for faces, pixels",
    "--detect-every": "search every Nth frame",
    "--detect-score": "least score of a face",
    # what else is done
    "--privacy": "faces made unrecognisable in what is written",
    "--most": "stop after so many frames",
    "--quiet": "no remarks",
    "--notify": "tell systemd",
    "--golden": "hold golden answers against the build's",
    "--flip": "mean with the mirrored face",
    "--corruptions": "worsened faces too",
    # how a bundle is made
    "--ladder": "recipes to try in order",
    "--recipe": "how int8 is made",
    "--crop": "how a face is cut out",
    # how faces are made
    "--heads": "a pack of heads as meshes",
    "--sheet": "a picture of the first faces that were made",
    "--count": "faces to make",
    "--first": "number of the first person",
    "--yaw": "degrees that a head turns at most",
    "--weakest": "strength of the weakest expression",
    "--name": "the bundle's name",
    "--max-drop": "accuracy int8 may lose, percentage points",
    "--min-agreement": "share of faces that must keep their answer",
    "--max-ratio": "int8 time over float time",
    "--key": "a private key",
    "--expires": "the last day",
    # how much is measured
    "--side": "pixels that pictures are brought to",
    "--sizes": "input sizes in pixels, with commas",
    "--batch": "faces in one run",
    "--faces": "how many faces",
    "--frames": "how many frames",
    "--rounds": "how many turns",
    "--starts": "how many cold starts",
    "--seconds": "least time of a scenario",
    "--power": "the power sensor",
    "--power-seconds": "how long power is measured",
}
SHORT = {"-h": "--help", "-o": "--out"}
