"""`vitrail pull ID`: published weights, downloaded, checked and converted."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from vitrail.cli import output
from vitrail.loading import find_component


def pull(
    id: str,
    /,
    *,
    accept_license: Annotated[
        bool, Parameter(name=["--accept-license", "--accept-licence"], negative="")
    ] = False,
) -> None:
    """Download the published weights of a component, check them, and keep them for `load`.

    Args:
        id: a component as plugin/variant.
        accept_license: agree to the licence of the weights without being asked.
    """
    from vitrail.pulling import pull_weights

    folder = pull_weights(find_component(id), accept_licence=accept_license)
    output.say(f"The weights of {id} are in {folder}.")
