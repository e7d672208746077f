"""TFEN: the past counts, in its order; the person is taken out; a still is read as the trunk reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="systems are trained with torch")

from edge.errors import DataInvalid  # noqa: E402
from faces import clip_set, readers  # noqa: E402
from faces.clip_set import Clip, ClipSet  # noqa: E402
from faces.labels import EXPRESSIONS  # noqa: E402
from tests.train import make  # noqa: E402
from train import recipe  # noqa: E402
from train.clip_stream import ClipStream, view  # noqa: E402
from train.heads.decoupler import Decoupler  # noqa: E402
from train.heads.temporal import Factorised, Last, Mean, Tcn  # noqa: E402
from train.predict import as_seen, predict  # noqa: E402
from train.systems.system import known_of, parts_of, system_of  # noqa: E402
from train.systems.tfen import Tfen, TfenNetwork  # noqa: E402

MOMENTS = 5
TINY = f"""
schema = 1
name = "tiny"
[model]
backbone = "mobilenet_v2"
input_size = 24
width = 0.1
strides = [2, 1, 1, 2, 1, 1, 2, 1]
[data]
mean = 100.5
std = 60.0
[train]
epochs = 1
batch_size = 8
[system]
name = "tfen"
features = 6
moments = {MOMENTS}
people = 3
"""


def network_of(text: str = TINY) -> tuple[Tfen, TfenNetwork]:
    chosen = recipe.parse(text, "tiny")
    system, network = system_of(chosen), parts_of(chosen).network.eval()
    assert isinstance(system, Tfen) and isinstance(network, TfenNetwork)
    return system, network


def answers(network: TfenNetwork, memory: torch.Tensor) -> torch.Tensor:
    faces = torch.randn(2, 1, 24, 24, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        logits: torch.Tensor = network(faces, memory, torch.zeros(2, network.width))[0]
    return logits


def remembered(network: TfenNetwork) -> torch.Tensor:
    rows = torch.rand(2, MOMENTS - 1, network.width, generator=torch.Generator().manual_seed(4))
    rows[:, :, -1] = 1
    return rows


def test_a_still_is_read_as_the_trunk_reads_it() -> None:
    _, network = network_of()
    faces = torch.randn(2, 1, 24, 24, generator=torch.Generator().manual_seed(3))
    nothing = torch.zeros(2, MOMENTS - 1, network.width)
    with torch.no_grad():
        torch.testing.assert_close(answers(network, nothing), network.backbone(faces))
        assert not torch.allclose(answers(network, remembered(network)), network.backbone(faces))


@pytest.mark.parametrize("head", ["last", "mean", "tcn", "factorised"])
def test_what_a_head_sees_of_the_past(head: str) -> None:
    _, network = network_of(TINY + f'head = "{head}"')
    network.to(memory_format=torch.channels_last)  # as a run keeps it
    rows = remembered(network)
    given = answers(network, rows)
    first = rows.clone()
    first[:, 0, :-1] *= 0.5
    other = answers(network, first)
    turned = answers(network, rows.flip(1))
    assert torch.allclose(given, turned, atol=1e-5) == (head in ("last", "mean"))
    assert (head == "last") == torch.allclose(given, other, atol=1e-5)


def test_frame_by_frame_is_the_clip_at_once() -> None:
    system, network = network_of()
    clips = make.clip_set(4, 1, MOMENTS)
    told = known_of(system, network, clips)
    at_once = predict(network, clips.faces, recipe.parse(TINY, "tiny"), told=told)
    memory = torch.zeros(4, MOMENTS - 1, network.width)
    for frame in range(MOMENTS):
        x = as_seen(clips.clips[:, frame], recipe.parse(TINY, "tiny"))
        with torch.no_grad():
            logits, now = network(x, memory, torch.zeros(4, network.width))
        memory = torch.cat([memory[:, 1:], now.unsqueeze(1)], 1)
    np.testing.assert_allclose(logits.numpy(), at_once, atol=5e-3)  # maps of clips are kept as float16


def test_only_a_head_that_sees_the_order_learns_what_the_order_tells() -> None:
    rng = torch.Generator().manual_seed(1)
    level = torch.rand(128, 8, 1, generator=rng).sort(1).values
    rising = torch.arange(128) % 2 == 0
    rows = torch.where(rising.view(-1, 1, 1), level, level.flip(1)) + torch.rand(128, 8, 3, generator=rng)
    rows[:, -1] = 0
    right = {}
    for kind in (Mean, Tcn):
        torch.manual_seed(2)
        head = kind(3, 8)
        last = torch.nn.Linear(head.width, 2)
        optimizer = torch.optim.Adam([*head.parameters(), *last.parameters()], 0.02)
        for _ in range(80):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(last(head(rows)), rising.long()).backward()
            optimizer.step()
        right[kind] = float((last(head(rows)).argmax(1) == rising.long()).float().mean())
    assert right[Tcn] > 0.9 and right[Mean] < 0.75


def test_the_decoupler_takes_off_what_its_gate_lets_through_of_the_person() -> None:
    torch.manual_seed(1)
    maps = torch.randn(2, 7, 3, 3)
    apart = Decoupler(7, 4).eval()
    left, person = apart(maps)
    taken = torch.sigmoid(apart.gate(person)) * apart.shared(person)
    torch.testing.assert_close(left, apart.expression(maps) - taken)
    assert taken.abs().max() > 0
    mixed, same = Decoupler(7, 4, apart=False).eval()(maps)
    assert mixed is same


def test_the_factorised_head_leaves_out_what_is_no_map() -> None:
    torch.manual_seed(1)
    head, rows = Factorised(2, 3, 4), torch.randn(2, 5, 19)
    other = rows.clone()
    other[:, :, -1] = 7
    torch.testing.assert_close(head(rows), head(other))
    assert Last(19, 4)(rows).shape == (2, 4) and head(rows).shape == (2, 4)


def test_the_trunk_keeps_its_weights_and_statistics_in_training() -> None:
    _, network = network_of()
    network.train()
    assert not network.backbone.training and network.decoupler.training
    assert not any(each.requires_grad for each in network.backbone.parameters())


def test_a_clip_has_one_light_all_through_and_view_0_is_as_it_was() -> None:
    clips = np.full((2, 6, 16, 16), 100, np.uint8)
    clips[:, :, :, :4] = 200
    np.testing.assert_array_equal(view(clips, 0), clips)
    mirrored = view(clips, 1)
    np.testing.assert_array_equal(mirrored, view(clips, 1))
    np.testing.assert_array_equal(mirrored[1:], view(clips[1:], 1, first=1))
    means = mirrored.mean((2, 3))
    assert means.std(1).max() < 2 and mirrored[:, :, :, -4:].mean() > mirrored[:, :, :, :4].mean()


def test_stills_too_many_people_and_other_lengths_are_refused() -> None:
    chosen = recipe.parse(TINY, "tiny")
    system = system_of(chosen)
    stills = replace(make.face_set(9, 1), person=np.arange(9) % 3)
    with pytest.raises(DataInvalid, match="stream 'clips' takes clips, and made-1 has stills"):
        system.stream("clips", stills)
    with pytest.raises(DataInvalid, match="has 5 people, and system.people is 3: raise it"):
        system.stream("clips", make.clip_set(9, 1, MOMENTS, people=5))
    with pytest.raises(DataInvalid, match="has clips of 7 frames, and system.moments is 5"):
        system.stream("clips", make.clip_set(9, 1, 7))
    assert isinstance(system.stream("clips", make.clip_set(9, 1, MOMENTS)), ClipStream)


def test_a_folder_of_packs_is_one_data_set_of_mixed_clips(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def pack(name: str, making: str, length: int = 4) -> None:
        clips = [
            Clip(
                rng.integers(0, 256, (length, 24, 24), np.uint8),
                EXPRESSIONS[person % 7],
                person,
                1.0,
                (0.0, 0.1, 0.2),
                np.zeros((length, 68, 2), np.float32),
            )
            for person in (2, 10, 3)
        ]
        clip_set.write(clips, EXPRESSIONS, making, tmp_path / name)  # type: ignore[arg-type]

    pack("a.npz", "rendered")
    pack("b.npz", "morphed")
    found = readers.read(tmp_path, 24)
    assert found.layout.name == "clips"
    train = found.split("train")
    assert isinstance(train, ClipSet) and train.making == "mixed" and len(train) == 2
    assert train.made is not None and train.made.tolist() == ["rendered", "morphed"]
    # Person 2 of one kind is nobody of the other.
    assert train.person is not None and len(set(train.person.tolist())) == 2
    assert {name: len(split) for name, split in found.splits.items()} == {
        "train": 2,
        "public": 2,
        "private": 2,
    }
    pack("c.npz", "morphed", length=3)
    with pytest.raises(DataInvalid, match="c.npz' has clips of 3 frames, .* they must be alike"):
        readers.read(tmp_path, 24)
