"""The main path: a frame, its faces, a reading for each. Start reading here.

frame -> detect (or follow) -> (track, pace) -> align -> classify -> (smooth) -> doubt -> readings
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import bundle as bundles
from edge import detect
from edge import engine as engines
from edge import profile as profiles
from edge.align import Image, align, check_frame, sharpness
from edge.bundle import Bundle
from edge.classify import Classifier, Weights, load_classifier
from edge.detect import Detector, DetectorOptions
from edge.doubt import doubts
from edge.engine import EngineOptions
from edge.extras.extra import Context, Source, Surroundings, source_class
from edge.priors import Prior
from edge.results import Face, Reading
from edge.track import Read, Track, Tracker
from edge.upright import Upright
from edge.video.flow import Look
from edge.video.follow import DETECT_EVERY, Follower
from edge.video.pace import MOST_STRETCH, PACE, Turns, bound_of
from edge.video.portrait import Portrait, picture

Joint = Callable[[str], None]


@dataclass(frozen=True)
class Chosen:
    """What runs, and what was passed over: (name, reason) each."""

    bundle: str
    engine: str
    detector: str
    engines_skipped: tuple[tuple[str, str], ...]
    detectors_skipped: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sought:
    """What a video's frame holds: its faces, how it looks where they are (None where it need not be known),
    and whether they are those of the frame before, moved along in the same order.
    """

    faces: Sequence[Face]
    look: Look | None
    followed: bool


def no_joint(stage: str) -> None:
    """What hears of a stage's end where nobody measures."""


class Pipeline:
    """Frames in, readings out. Make one with ``open_pipeline``; use it from one thread at a time.

    Of a video the two halves of a frame, ``search`` and ``read``, may be in a thread each: neither touches
    what the other keeps, and the readings are the same if each half sees the frames in their order.
    """

    def __init__(
        self,
        bundle: Bundle,
        detector: Detector,
        classifier: Classifier,
        chosen: Chosen,
        tracker: Tracker | None = None,
        detect_every: int = DETECT_EVERY,
        pace: float = PACE,
        joint: Joint = no_joint,
        extras: Sequence[Source] = (),
    ) -> None:
        self.bundle, self.chosen, self.detect_every = bundle, chosen, detect_every
        self._detector, self._classifier, self._tracker = detector, classifier, tracker
        # Only scores tell which way up a face stands.
        self._upright = Upright(detector) if detector.scores else None
        self._still = self._upright or detector
        self._search = self._upright.search if self._upright else detector
        self._follower = Follower(self._search, detect_every, joint)
        self._turns = Turns(pace)
        self._joint = joint
        self._extras = tuple(extras)
        self._missing = tuple(extra.doubt for extra in extras if extra.doubt)
        self.reads = 0  # faces that the network was asked about, ever

    def __call__(self, frame: Image, time: float | None = None) -> list[Reading]:
        """Readings of a uint8 [H, W, 3] BGR frame, in the detector's order.

        ``time`` is the frame's in a video, in seconds: faces are then followed, numbered, smoothed, and read
        anew when they changed. None treats it as a still. Raises UsageError for a frame that is none, and
        FerliteError.
        """
        if time is not None:
            return self.read(frame, time, self.search(frame, time))
        check_frame(frame)
        faces = self._still(frame)
        self._joint("detect")
        return self._read_all(frame, faces)

    def search(self, frame: Image, time: float) -> Sought:
        """The faces of a video's next frame, found or followed; arguments and errors are those of a call."""
        check_frame(frame, time)
        faces, look = self._follower(frame, time)
        return Sought(faces, look, self._follower.followed)

    def read(self, frame: Image, time: float, sought: Sought) -> list[Reading]:
        """Readings of the frame, and of the time, that ``sought`` was found in."""
        if self._tracker is None:
            return self._read_all(frame, sought.faces)
        return self._read_changed(frame, time, sought, self._tracker)

    def _read_all(self, frame: Image, faces: Sequence[Face]) -> list[Reading]:
        if not faces:
            return []
        crops, weights = self._read(frame, faces)
        readings = []
        for face, crop, row in zip(faces, crops, weights, strict=True):
            named = dict(zip(self._classifier.labels, map(float, row), strict=True))
            expression = max(named, key=named.__getitem__)
            why = doubts(
                face, sharpness(crop, self.bundle.doubt.sharpness_px), named[expression], self.bundle.doubt
            )
            readings.append(Reading(face, named, expression, (*why.values(), *self._missing)))
        return readings

    def _read_changed(self, frame: Image, time: float, sought: Sought, tracker: Tracker) -> list[Reading]:
        faces, look = sought.faces, sought.look
        if look is None:
            return []
        assign = tracker.again if sought.followed else tracker.assign
        tracks = assign([face.box for face in faces], time)
        if self._turns.pace > 0:
            pictures = [picture(look, face, self.bundle.crop) for face in faces]
            due = self._turns.due(tracks, pictures, time)
        else:
            pictures, due = [], list(range(len(faces)))
        self._joint("pace")
        if due:
            numbers = [tracks[index].number for index in due]
            crops, weights = self._read(frame, [faces[index] for index in due], numbers, time)
            for index, crop, row in zip(due, crops, weights.tolist(), strict=True):
                portrait = Portrait(pictures[index]) if pictures else None
                tracks[index].read = Read(
                    time, portrait, sharpness(crop, self.bundle.doubt.sharpness_px), bound_of(row)
                )
                tracks[index].steady.take(row, time)
        readings = [self._reading(*each, time) for each in zip(faces, tracks, strict=True)]
        self._joint("judge")
        return readings

    def _read(
        self, frame: Image, faces: Sequence[Face], tracks: Sequence[int] = (), time: float | None = None
    ) -> tuple[list[Image], Weights]:
        crops = [align(frame, face, self.bundle.crop, self.bundle.input) for face in faces]
        self._joint("align")
        if self._extras:
            context = Context(frame, faces, crops, tracks, time)
            told = [extra(context) for extra in self._extras]
            weights, features = self._classifier.read(crops, told)
            for extra in self._extras:
                extra.take(context, features, weights)
        else:
            weights = self._classifier(crops)
        self.reads += len(crops)
        self._joint("classify")
        return crops, weights

    def _reading(self, face: Face, track: Track, time: float) -> Reading:
        assert track.read is not None  # a face that was never read is due
        labels, weights = self._classifier.labels, track.steady.at(time)
        expression = track.steady.expression
        why = doubts(face, track.read.sharpness, weights[expression], self.bundle.doubt, track.doubted)
        track.doubted = frozenset(why)
        named = dict(zip(labels, weights, strict=True))
        return Reading(face, named, labels[expression], (*why.values(), *self._missing), track.number)

    def restart(self) -> None:
        """Another source begins: its faces are nobody seen before, and its time starts again."""
        self._follower.restart()
        self._turns.restart()
        for extra in self._extras:
            extra.restart()
        if self._upright is not None:
            self._upright.restart()
        if self._tracker is not None:
            self._tracker.clear()

    def restart_apart(self) -> None:
        """``restart`` for a source whose readings stand by themselves: its tracks begin at 1 again."""
        self.restart()
        if self._tracker is not None:
            self._tracker.count_anew()

    def hurry(self, behind: float) -> None:
        """Frames come ``behind`` times as fast as they are read (1: they are kept up with): search less."""
        self._follower.searches.stretch = min(MOST_STRETCH, max(1.0, behind))

    def close(self) -> None:
        """Free the models; a second call does nothing."""
        self._detector.close()
        self._classifier.close()
        for extra in self._extras:
            extra.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_pipeline(
    bundle: str | Path = "",
    engine: str = "auto",
    detector: str = "auto",
    *,
    engine_order: tuple[str, ...] = (),
    engine_options: EngineOptions | None = None,
    detector_options: DetectorOptions | None = None,
    tracker: Tracker | None = None,
    detect_every: int = DETECT_EVERY,
    pace: float = PACE,
    prior: Prior = "",
    trusted: Path | None = None,
    joint: Joint = no_joint,
    landmarks: str | Path = "",
    profile: str | Path = "",
) -> Pipeline:
    """Load a bundle and a detector, and join them.

    ``bundle``: a folder, a .zip or a shipped bundle's name ("": the default). ``engine``, ``detector``:
    a name, or "auto" for the first that can start. ``detect_every``: a video is searched for faces at every
    so many frames, and they are followed in between (edge/video/follow.py); 0: as often as it asks for.
    ``pace``: a face that looks as it did is read anew after so many seconds (video/pace.py); 0 reads every
    face of every frame, as it is without a ``tracker``. ``prior``: how common the expressions are taken to be
    (edge/priors.py; "": the bundle's own). ``trusted``: the public key that must have signed every bundle.
    ``landmarks``: the bundle that finds them, for one whose network wants to know where the parts of a face
    are (edge/extras; "": the shipped one). ``profile``: the file of the person who is read (edge/profile.py;
    "": nobody known). ``joint`` hears the name of each stage of a frame when it is done.
    Raises FerliteError.
    """
    loaded = bundles.load(bundle, trusted)
    engine_choice = engines.choose(engine, loaded.files, engine_order)
    options = detector_options or DetectorOptions()
    detector_choice = detect.choose(detector, options)
    name = engine_choice.name
    person = profiles.read(profile, loaded) if profile else None
    classifier = load_classifier(loaded, name, engine_options or EngineOptions(), prior, person)
    opened: list[Source] = []
    try:
        finder = detect.detector_class(detector_choice.name)(options)
        around = Surroundings(loaded, name, engine_options or EngineOptions(), landmarks, trusted)
        for extra in loaded.extras:
            opened.append(source_class(extra.source)(extra, around))
    except BaseException:
        classifier.close()
        for each in opened:
            each.close()
        raise
    chosen = Chosen(loaded.name, name, detector_choice.name, engine_choice.skipped, detector_choice.skipped)
    return Pipeline(loaded, finder, classifier, chosen, tracker, detect_every, pace, joint, opened)
