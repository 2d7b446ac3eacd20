"""Profiles as files, and what they refuse to be used for."""

import json
from pathlib import Path

import msgspec
import pytest

from controller.errors import ProfileError
from controller.planning import Profile, load_profile, save_profile


def test_what_is_saved_is_loaded(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "new" / "profile.json"
    save_profile(profile, path)
    assert load_profile(path) == profile
    assert list(path.parent.iterdir()) == [path]


def test_an_older_file_is_a_full_profile(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    told = msgspec.to_builtins(profile)
    del told["quick"]
    path.write_text(json.dumps(told))
    assert not load_profile(path).quick


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no device profile .*; run `edgecut profile BUNDLE`"),
        ("{}", "is not a device profile"),
        ("not json", "is not a device profile"),
    ],
)
def test_a_file_that_is_no_profile(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "profile.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ProfileError, match=says):
        load_profile(path)


def test_a_profile_with_too_few_times(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    save_profile(msgspec.structs.replace(profile, cuts=(0, 2, 4)), path)
    with pytest.raises(ProfileError, match="pi lacks a time for some of 3 cuts"):
        load_profile(path)


def test_a_folder_that_cannot_be_written(profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProfileError, match="cannot be written"):
        save_profile(profile, tmp_path / "file" / "profile.json")


class TestCheck:
    def test_what_fits(self, profile: Profile) -> None:
        self._check(profile)
        self._check(profile, settings={"pi": profile.devices["pi"].settings})

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"bundle": "f" * 64}, r"another bundle \(.*, not ffffffffffff\)"),
            ({"batch": 8}, "batch 1, not 8"),
            ({"threads": 4}, "1 threads a stage, not 4"),
            ({"settings": {"desk": {}}}, "a lab without desk"),
            (
                {"settings": {"pi": {"slowdown": 18.0, "memory_bytes": 10**9}}},
                r"another setting \(slowdown of pi was 4.0, is 18.0\)",
            ),
        ],
    )
    def test_what_does_not(self, profile: Profile, change: dict[str, object], says: str) -> None:
        with pytest.raises(ProfileError, match=f"p.json is of {says}; run .* again"):
            self._check(profile, **change)

    def _check(self, profile: Profile, **change: object) -> None:
        asked = {"bundle": profile.bundle, "batch": 1, "threads": 1, "settings": {}} | change
        profile.check(Path("p.json"), **asked)  # type: ignore[arg-type]
