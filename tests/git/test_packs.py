"""Commits go from one repository to another without a remote (SPEC 14)."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from pitboss.errors import StorageError
from pitboss.git import packs
from pitboss.git.errors import GitError
from pitboss.git.packs import IN_MEMORY, boundary, extend_boundary, pack, unpack
from pitboss.git.repo import Repo
from tests.support.cli import Project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    project.write("big.txt", "\n".join(str(n * n) for n in range(3000)))
    project.commit("second")
    return project


def opened(project: Project) -> Repo:
    return Repo.discover(project.root)


def empty(folder: Path, project: Project) -> Repo:
    project.git("init", "-q", str(folder))
    return Repo.discover(folder)


def test_a_pack_brings_a_commit_with_all_that_it_reaches(project: Project, tmp_path: Path) -> None:
    here, there = opened(project), empty(tmp_path / "there", project)
    tip = here.line("rev-parse", "HEAD")
    unpack(there, pack(here, [tip]))
    assert there.line("rev-list", "--objects", "--count", tip) == here.line(
        "rev-list", "--objects", "--count", tip
    )
    assert boundary(there) == ()


def test_a_pack_leaves_out_what_the_other_side_has_and_is_thin(project: Project, tmp_path: Path) -> None:
    here, there = opened(project), empty(tmp_path / "there", project)
    known = here.line("rev-parse", "HEAD")
    whole = pack(here, [known])
    unpack(there, whole)
    project.write("big.txt", (project.root / "big.txt").read_text() + "\none more")
    project.commit("third")
    tip = here.line("rev-parse", "HEAD")
    thin = pack(here, [tip], [known])
    assert len(thin) < len(whole) / 5
    unpack(there, thin)
    assert there.git("show", f"{tip}:big.txt") == here.git("show", f"{tip}:big.txt")


@pytest.mark.parametrize(("files", "kept_as"), [(3, 0), (packs.FEW_OBJECTS + 1, 1)])
def test_few_objects_are_kept_as_files_so_that_packs_do_not_pile_up(
    files: int, kept_as: int, project: Project, tmp_path: Path
) -> None:
    here, there = opened(project), empty(tmp_path / "there", project)
    for n in range(files):
        project.write(f"new/{n}.txt", str(n))
    project.commit("many")
    tip = here.line("rev-parse", "HEAD")
    unpack(there, pack(here, [tip]))
    assert there.git("show", f"{tip}:new/0.txt") == b"0"
    assert len([*(there.common_dir / "objects" / "pack").glob("*.pack")]) == kept_as


def test_a_thin_pack_is_refused_where_its_beginning_is_missing(project: Project, tmp_path: Path) -> None:
    here, there = opened(project), empty(tmp_path / "there", project)
    known = here.line("rev-parse", "HEAD")
    project.write("big.txt", (project.root / "big.txt").read_text() + "\none more")
    project.commit("third")
    with pytest.raises(GitError):
        unpack(there, pack(here, ["HEAD"], [known]))


def test_a_shallow_repository_says_where_it_ends(project: Project, tmp_path: Path) -> None:
    project.git("clone", "-q", "--depth=1", f"file://{project.root}", str(tmp_path / "shallow"))
    shallow, there = Repo.discover(tmp_path / "shallow"), empty(tmp_path / "there", project)
    tip = shallow.line("rev-parse", "HEAD")
    assert boundary(shallow) == (tip,)
    first = project.git("rev-list", "--max-parents=0", "HEAD").strip()
    extend_boundary(shallow, [first])
    extend_boundary(shallow, [tip])
    assert boundary(shallow) == tuple(sorted((first, tip)))
    extend_boundary(Repo.discover(project.root), ())
    assert boundary(Repo.discover(project.root)) == ()
    unpack(there, pack(shallow, [tip]))
    (there.common_dir / "shallow").write_text(f"{tip}\n")
    assert there.line("rev-list", "--count", tip) == "1"
    there.git("fsck", "--connectivity-only", tip)


def test_a_large_pack_goes_by_a_file_of_which_nothing_stays(project: Project, tmp_path: Path) -> None:
    (project.root / "noise.bin").write_bytes(random.Random(1).randbytes(3 * IN_MEMORY))
    project.commit("noise")
    here, there = opened(project), empty(tmp_path / "there", project)
    tip = here.line("rev-parse", "HEAD")
    parcel = pack(here, [tip])
    assert (parcel.is_large, len(parcel) > 3 * IN_MEMORY, parcel.data) == (True, True, b"")
    unpack(there, parcel)
    unpack(there, parcel)  # git failed, say, and is tried again
    there.git("fsck", "--connectivity-only", tip)
    parcel.close()
    assert list(here.common_dir.glob("tmp*")) == []


def test_a_pack_of_absurd_size_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "LIMIT", 1000)
    with pytest.raises(StorageError, match="git objects"):
        pack(opened(project), ["HEAD"])


def test_git_that_says_nothing_for_too_long_is_ended(project: Project) -> None:
    here = opened(project)
    source, held = os.pipe()
    with pytest.raises(GitError, match=r"no sign of life for 0\.5 s"):
        here.transfer("index-pack", "--stdin", source=source, sink=lambda _: None, quiet_s=0.5)
    os.close(source)
    os.close(held)
