"""What regions cost is measured of a bundle that wants them."""

from __future__ import annotations

import pytest

from benchmarks import regions_cost


def test_a_bundle_that_wants_no_regions_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["regions_cost", "--bundle", "mobilenetv2"])
    with pytest.raises(SystemExit) as ended:
        regions_cost.main()
    assert ended.value.code == 2
    assert "the network of bundle 'mobilenetv2' wants no regions" in capsys.readouterr().err
