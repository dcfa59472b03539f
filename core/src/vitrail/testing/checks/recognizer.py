"""What recognizers promise."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from vitrail.errors import VitrailError
from vitrail.testing.registry import Skip, check, demand
from vitrail.testing.subject import Subject, picture


@check("recognizer")
def check_input_size_is_declared(subject: Subject) -> None:
    """The spec names the size and template of the aligned crops, and other sizes are refused."""
    size = subject.spec.inputs.size
    demand(size is not None and bool(subject.spec.inputs.template), "spec.inputs lacks size or template.")
    assert size is not None
    try:
        subject.component.embed([picture(size[0] + 3, size[1])])
    except VitrailError:
        return
    raise AssertionError(f"a crop of {size[0] + 3}x{size[1]} raised no VitrailError.")


@check("recognizer")
def check_embeddings_are_unit_vectors(subject: Subject) -> None:
    """(B, D) float32 of length 1, and different pictures give different vectors."""
    vectors = subject.component.embed(subject.images()).vectors
    demand(isinstance(vectors, Float32[np.ndarray, "3 d"]), f"vectors are {vectors.dtype} {vectors.shape}.")
    lengths = np.linalg.norm(vectors, axis=1)
    demand(bool(np.allclose(lengths, 1, atol=1e-4)), f"lengths are {lengths}.")
    demand(not np.allclose(vectors[0], vectors[1], atol=1e-6), "two different pictures give the same vector.")


@check("recognizer")
def check_tokens_fit_the_capability(subject: Subject) -> None:
    """`tokens` gives finite (B, N, D) float32 where the spec says so, and is absent elsewhere."""
    promised = subject.spec.capabilities.tokens
    demand(promised == hasattr(subject.component, "tokens"), "capabilities.tokens and the method disagree.")
    if not promised:
        raise Skip("it gives no tokens")
    images = subject.images()
    tokens = subject.component.tokens(images)
    demand(isinstance(tokens, Float32[np.ndarray, "3 n d"]), f"tokens are {tokens.dtype} {tokens.shape}.")
    demand(bool(np.isfinite(tokens).all()), "tokens are not finite.")
    alone = subject.component.tokens(images[:1])
    demand(bool(np.allclose(tokens[0], alone[0], atol=1e-3)), "tokens of an image depend on its batch.")
