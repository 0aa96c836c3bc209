"""The command line of dolisync: the only place that joins the core and the connectors.

Exit codes: 0 done; 1 it did not work (try again); 2 the user can mend it
(systemd does not restart on it).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

import commands.accounts
import commands.administration
import commands.backfill
import commands.batches
import commands.bonuses
import commands.campaigns
import commands.catalogue
import commands.claims
import commands.demo
import commands.many_tiers
import commands.pages
import commands.printing
import commands.privacy
import commands.referrals
import commands.rewards
import commands.rules
import commands.setting_up
import commands.simulate
import commands.standing
import commands.tiers
import commands.undo
import commands.vouchers
import commands.work
from commands import terminal
from commands.house import House
from dolisync import __version__
from dolisync.errors import ConfigError, DolisyncError, RefusedError, TransientError, UserError

DEFAULT_CONFIG = Path("/etc/dolisync/config.toml")
EXIT_FAILED = 1
EXIT_USER = 2
LOGGING = {"sync", "backfill", "reconcile"}


class Program(click.Group):
    """The top command: the one place that turns exceptions into words."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run, and end with one line and an exit code when something is wrong."""
        kwargs["standalone_mode"] = False
        try:
            result = super().main(*args, **kwargs)
        except click.UsageError as error:
            sys.exit(_explain_usage(error))
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except OSError as error:
            sys.exit(_explain_system(error))
        except (click.exceptions.Abort, KeyboardInterrupt):
            click.echo("dolisync: stopped", err=True)
            sys.exit(EXIT_FAILED)
        except DolisyncError as error:
            sys.exit(_explain(error))
        except SQLAlchemyError as error:
            sys.exit(_explain_database(error))
        else:
            sys.exit(result if isinstance(result, int) else 0)


def _explain(error: DolisyncError) -> int:
    problems = error.problems if isinstance(error, ConfigError) else ()
    # A single problem stands on the first line; several stand below it.
    only = f": {problems[0]}" if len(problems) == 1 else ""
    click.echo(f"dolisync: {error}{only}", err=True)
    for problem in problems if not only else ():
        click.echo(f"  {problem}", err=True)
    if isinstance(error, UserError):
        if error.remedy:
            click.echo(f"  {error.remedy}", err=True)
        return EXIT_USER
    if isinstance(error, TransientError):
        click.echo("  try again; `dolisync check` says what is wrong", err=True)
    if isinstance(error, RefusedError):
        click.echo("  `dolisync check` says which right is missing", err=True)
    return EXIT_FAILED


def _explain_usage(error: click.UsageError) -> int:
    """Say what was typed wrongly, and where the right way is told."""
    wants_help = isinstance(error, click.exceptions.NoArgsIsHelpError)
    if error.ctx is not None and (wants_help or error.message.startswith("Missing command")):
        click.echo(error.ctx.get_help(), err=True)
        return EXIT_USER
    click.echo(f"dolisync: {' '.join(error.format_message().split())}", err=True)
    if error.ctx is not None:
        click.echo(f"  {error.ctx.command_path} --help", err=True)
    return EXIT_USER


def _explain_system(error: OSError) -> int:
    """Name the file that could not be used; say nothing when a reader like head has enough."""
    if isinstance(error, BrokenPipeError):
        # Python would complain once more when it closes standard output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    where = f"{error.filename}: " if error.filename else ""
    click.echo(f"dolisync: {where}{error.strerror or error}", err=True)
    click.echo("  check the path, the disk and who may write there", err=True)
    return EXIT_USER if isinstance(error, PermissionError) else EXIT_FAILED


def _explain_database(error: SQLAlchemyError) -> int:
    """The ledger's own database does not answer: name the cause, never the address's password."""
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())[:200]
    click.echo(f"dolisync: the ledger's database does not work: {text}", err=True)
    click.echo("  check [ledger] url, the disk and the account's rights", err=True)
    return EXIT_FAILED


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dolisync")
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    envvar="DOLISYNC_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration.",
)
@click.pass_context
def main(context: click.Context, path: Path) -> None:
    """Points, rewards and receipts beside Dolibarr and TakePOS.

    \b
    Begin with:
      dolisync demo       see it work, with nothing installed
      dolisync init       write a first configuration
      dolisync check      see whether it holds
    """
    house = House(path)
    context.obj = house
    context.call_on_close(house.close)
    # Commands for people say themselves what went wrong; what cron runs may warn besides.
    terminal.set_up_logs("text", "warning" if context.invoked_subcommand in LOGGING else "critical")


for _command in (
    commands.demo.demo,
    commands.setting_up.init,
    commands.setting_up.check,
    commands.setting_up.setup,
    commands.setting_up.config,
    commands.work.run,
    commands.work.sync,
    commands.printing.print_server,
    commands.pages.page_server,
    commands.pages.page_link,
    commands.backfill.backfill,
    commands.simulate.simulate,
    commands.rules.rules,
    commands.rules.recompute,
    commands.work.reconcile,
    commands.accounts.balance,
    commands.accounts.history,
    commands.standing.liability,
    commands.accounts.explain,
    commands.accounts.receipt,
    commands.catalogue.rewards,
    commands.rewards.redeem,
    commands.rewards.adjust,
    commands.campaigns.campaigns,
    commands.bonuses.bonus,
    commands.referrals.refer,
    commands.referrals.referrals,
    commands.claims.claim,
    commands.vouchers.voucher,
    commands.tiers.tier,
    commands.many_tiers.tiers,
    commands.batches.transfer,
    commands.batches.merge,
    commands.batches.opening,
    commands.batches.batches,
    commands.undo.undo,
    commands.privacy.privacy,
    commands.administration.verify,
    commands.administration.anchors,
    commands.administration.outbox,
    commands.administration.db,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()
