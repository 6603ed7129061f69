"""An option acts, is refused, or is told to be of no use here; in real environments."""

from __future__ import annotations

import pytest

from jupyter_pkgmgr.model.errors import PkgError
from tests.service.conftest import User


def refused(user: User, line: str) -> PkgError:
    before = user.service.inventory(user.environment).fingerprint
    with pytest.raises(PkgError) as caught:
        user.type(line)
    assert user.service.inventory(user.environment).fingerprint == before
    return caught.value


def planned(user: User, line: str) -> dict[str, str]:
    """What a dry run would change: the packages, and to which ecosystem each belongs."""
    steps = user.type(f"{line} --dry-run").json["plan"]["steps"]
    changes = [
        (change["after"] or change["before"], step["plan"]["ecosystem"])
        for step in steps
        for change in step["plan"]["changes"]
    ]
    return {package["name"]: ecosystem for package, ecosystem in changes}


def test_where_a_package_is_from_binds_a_removal_and_an_update(conda_user: User) -> None:
    conda_user.type("install tb-alpha==1.0 tb-pure==1.0")
    assert (conda_user.owner("tb-alpha"), conda_user.owner("tb-pure")) == ("conda", "pypi")
    for verb in ("remove", "update"):
        error = refused(conda_user, f"{verb} --pip tb-alpha")
        assert (error.reference, error.message[:24]) == ("not-installed", "tb-alpha is not PyPI's: ")
        error = refused(conda_user, f"{verb} --conda tb-alpha tb-pure")
        assert (error.reference, error.message) == (
            "not-installed",
            "tb-pure is not conda's: it is installed from PyPI",
        )
        assert planned(conda_user, f"{verb} --pip tb-pure") == {"tb-pure": "pypi"}
        assert planned(conda_user, f"{verb} --conda tb-alpha") == {"tb-alpha": "conda"}
    assert set(planned(conda_user, "update --conda").values()) == {"conda"}
    assert planned(conda_user, "update --pip") == {"tb-pure": "pypi"}
    assert set(planned(conda_user, "update").values()) == {"conda", "pypi"}
    conda_user.type("remove --pip tb-pure")
    assert (conda_user.owner("tb-alpha"), conda_user.owner("tb-pure")) == ("conda", None)


def test_an_option_that_contradicts_a_spec_is_refused(conda_user: User) -> None:
    for verb in ("install", "remove", "update"):
        assert "only be pypi's, and --conda was said" in refused(conda_user, f"{verb} --conda pypi::tb-pure").message
        assert "only be conda's, and --pip was said" in refused(conda_user, f"{verb} --pip conda::tb-alpha").message


def test_an_engine_that_has_no_part_is_refused(conda_user: User) -> None:
    for line, instead in (("install --engine uv tb-alpha", "rattler"), ("install --engine rattler tb-pure", "uv")):
        error = refused(conda_user, line)
        assert (error.reference, error.message.partition(": ")[2]) == ("engine-unused", f"it would be {instead}'s work")
    assert planned(conda_user, "install --engine pip tb-alpha tb-pure") == {"tb-alpha": "conda", "tb-pure": "pypi"}
    conda_user.type("install tb-pure")
    assert refused(conda_user, "install --engine nosuch tb-pure").reference == "unknown-engine"  # it is there already
    assert refused(conda_user, "remove --engine rattler tb-pure").reference == "engine-unused"


def test_what_only_the_other_ecosystem_understands_is_told(conda_user: User) -> None:
    conda_user.type("plan --pre --no-build tb-alpha")
    assert "--pre and --no-build changed nothing: all of this is conda's" in conda_user.screen
    conda_user.type("plan --pip -c conda-forge tb-pure")
    assert "-c changed nothing: all of this is PyPI's" in conda_user.screen
    conda_user.type("plan --pre tb-alpha tb-pure")
    assert "changed nothing" not in conda_user.screen


def test_a_venv_has_no_conda(venv_user: User) -> None:
    venv_user.type("install tb-pure==1.0")
    for verb in ("install", "remove", "update"):
        assert refused(venv_user, f"{verb} --conda tb-pure").reference == "not-a-conda-environment"
    assert refused(venv_user, "update --conda").reference == "not-a-conda-environment"
    venv_user.type("update -c conda-forge tb-pure")
    assert "warning: -c changed nothing: all of this is PyPI's, and no conda channel is asked" in venv_user.screen
    assert venv_user.version("tb-pure") == "2.0"
