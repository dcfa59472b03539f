"""`python -m vitrail`, which is also what `torchrun -m vitrail train ...` runs."""

from vitrail.cli import app

if __name__ == "__main__":
    app()
