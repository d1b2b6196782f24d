"""`python -m ulm_core`: the product for scripts and schedulers."""

from ulm_core.cli import main

if __name__ == "__main__":
    main()
