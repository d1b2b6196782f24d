"""The command line: the functions the pages call, for scripts and schedulers.

Every command takes ``--workspace DIR`` and ``--json`` (one JSON object on stdout, nothing else). What the
user can put right ends with exit code 2 and one line on stderr.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import sys

import typer
from typer.exceptions import TyperException

from ulm_core.cli import (
    alert,
    churn,
    cohort,
    data,
    engagement,
    funnel,
    keep,
    models,
    paths,
    recommend,
    retention,
    simulate,
    sql,
    stage_rules,
    stages,
    studio,
    survival,
    value,
)
from ulm_core.errors import UlmError

app = typer.Typer(
    name="ulm_core",
    help="ULM Studio: user lifecycle management for recommender systems.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for room in (
    data,
    simulate,
    keep,
    stages,
    stage_rules,
    engagement,
    retention,
    funnel,
    survival,
    value,
    churn,
    cohort,
    alert,
    sql,
    models,
    paths,
    recommend,
    studio,
):
    room.register(app)

EXIT_USER_ERROR = 2


def main() -> None:
    """Run the command line; never shows a traceback."""
    # Nothing is fetched from a model hub unless the user says so (HF_HUB_OFFLINE=0).
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except UlmError as error:
        _fail(str(error))
    except TyperException as error:  # a wrong option: one line, like every other error
        _fail(" ".join(error.format_message().split()) + " See --help.")
    except BrokenPipeError:  # whoever read the answer (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        reasons = {errno.ENOSPC: "The disk is full. Nothing was lost; free some space and try again."}
        _fail(reasons.get(error.errno or 0, f"The system refused: {error}"))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:
        reference = secrets.token_hex(4)
        logging.getLogger("ulm_core").debug("reference %s", reference, exc_info=True)
        _fail(f"Something unexpected went wrong (reference {reference}). Run again with ULM_DEBUG=1 for the details.")


def _fail(text: str) -> None:
    if os.environ.get("ULM_DEBUG") == "1":
        raise
    print(f"error: {text}", file=sys.stderr)
    sys.exit(EXIT_USER_ERROR)
