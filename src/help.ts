/** What stands below the options of each help page. */

const EXIT_CODES = `
Exit codes:
  0    all removed and verified gone (or nothing was there, or a dry run)
  1    finished, but something failed or is still there: the report says what
  2    usage or config error; nothing touched
  3    refused by a guard, --strict or a limit; nothing touched
  4    declined at the question; nothing touched
  75   another run is at work on one of the services; nothing touched
  130  interrupted by Ctrl-C (143: by SIGTERM, 129: the terminal was closed); the
       report says what went
`;

const CONFIG = `
Config: --config, else $MEDIA_CLEANUP_CONFIG, else ./cleanup.config.json,
  else $XDG_CONFIG_HOME/media-cleanup/cleanup.config.json (default ~/.config),
  else /etc/media-cleanup/cleanup.config.json
`;

export const WIPE_HELP = `
What it destroys, for each target, and there is no way back:
  jobs    every Redis key with the service's prefix, and its tasks' results
  queue   every message in its Celery queues, of all priorities, or in flight;
          its running tasks are killed, its consumers held until the end
  files   all that is inside its directories, at every depth; these stay
  models  all that is inside its model directories (downloaded again on use)
Nothing outside the configured directories, keys and queues is touched: links
are not followed, mount points not entered, keys and queues of others stay.

Examples:
  media-cleanup all --dry-run               what would go
  media-cleanup all                         show it, ask, wipe
  media-cleanup all --yes                   wipe without a question (cron)
  media-cleanup video-downloader --only jobs,queue --yes
  media-cleanup all --yes --keep-models     models stay
  media-cleanup all --yes --older-than 7d   only what is old
  media-cleanup all --yes --json | jq .status
  media-cleanup all --yes --wait-idle 10m   wait for tasks that cannot be killed
  media-cleanup all --yes --restart-workers when tasks with a countdown are left
  media-cleanup all --yes --detach          in the background: see status
  media-cleanup stats all                   what is there now
  media-cleanup doctor                      is all well, who works on what

When something goes wrong:
  "Redis/…: Connection refused"   start Redis, run again; the files were wiped
  "Permission denied"             run it as the owner of the files, or with sudo
  "still held open by …"          restart that process: then the space is free
  "no key begins with …"          keyPrefix in the config is not the service's
  "does not answer"               a --pool=solo worker at work: --wait-idle 10m
  "revoked scheduled tasks"       --restart-workers, or restart the worker
  "came back during the wipe"     something still writes: stop the service
  "is being wiped by …"           another run is at work: --lock-wait 10m
  It can be run again at any time: a second run removes what is left.
${EXIT_CODES}${CONFIG}`;

export const DOCTOR_HELP = `
It reads, and asks the workers over Redis what they do. With --fix it tells
consumers to go on that a killed run has left held; nothing else is changed.

Examples:
  media-cleanup doctor
  media-cleanup doctor video-downloader --fix
  media-cleanup doctor --json | jq '.services[].checks[]|select(.status!="ok")'

Exit codes:
  0    all is well, perhaps with warnings
  1    something is wrong: the lines with an arrow say what to do
  2    usage or config error
${CONFIG}`;

export const STATS_HELP = `
It only looks, at Redis and at the directories.

Examples:
  media-cleanup stats all
  media-cleanup stats audio-transcriber --json | jq .total_jobs

Exit codes:
  0    everything was looked at
  1    something could not be looked at (a Redis that is down, a closed
       directory): its counts are incomplete and marked
  2    usage or config error
${CONFIG}`;

export const INIT_HELP = `
It reads compose files (also in docker/, deploy/, deployment/, compose/, .docker/,
and variants such as docker-compose.gpu.yml) and .env files here and in services/*,
and writes what it is sure of; what it is not sure of it says. Where several files
describe a service, its settings come whole from one of them: a terminal is asked,
else the one nearest to the service is taken. A Redis that answers within 2 s tells
key prefixes and queues. Passwords stay where they are: the config gets the name of
their variable. Look at the directories before you wipe.

Examples:
  media-cleanup init --dry-run
  media-cleanup init --explain && media-cleanup doctor --env-file .env

Exit codes:
  0    written (or printed)
  2    nothing written: nothing was found (--from, --example), there is a config
       already (--force), or a file cannot be read
`;

const STATE = `
Runs are kept in --state-dir, else $XDG_STATE_HOME/media-cleanup, else for root
  /var/lib/media-cleanup, else ~/.local/state/media-cleanup: the last 50
`;

export const STATUS_HELP = `
Examples:
  media-cleanup status
  media-cleanup status cleanup_total_20251027_143022
  media-cleanup status --wait && echo all gone
  media-cleanup status --json | jq '.runs[0].status'

Exit codes:
  0    shown
  2    no such run, or usage error
  With --wait: the exit code of the run; 1 when its process died.
${STATE}`;

export const LOGS_HELP = `
Examples:
  media-cleanup logs
  media-cleanup logs cleanup_total_20251027_143022 --follow

Exit codes:
  0    shown
  2    no such run, or usage error
${STATE}`;

export const COMPLETION_HELP = `
Where the shell looks for it:
  bash   ~/.local/share/bash-completion/completions/media-cleanup
  zsh    a file _media-cleanup in a directory of $fpath
  fish   ~/.config/fish/completions/media-cleanup.fish

Examples:
  media-cleanup completion fish >~/.config/fish/completions/media-cleanup.fish
  source <(media-cleanup completion bash)   for this shell alone
`;
