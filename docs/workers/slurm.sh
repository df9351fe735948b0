#!/bin/bash
# A worker of pitboss as a Slurm job: `sbatch docs/workers/slurm.sh tls://HOST:8786` (docs/workers.md).
#
# --array=1-8 starts eight workers. Each works until the job's time is over, then hands over what it has.
#SBATCH --job-name=pitboss-worker
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=12:00:00
#SBATCH --requeue
# Two minutes before the end, SIGTERM goes to this script, which passes it on to the worker.
#SBATCH --signal=B:TERM@120

set -euo pipefail
address=${1:?the address of the scheduler, such as tls://HOST:8786}

# Work that could not be handed over waits in this folder, so each worker needs one that it finds again: one that every
# node sees, and a name that does not change when the job is requeued.
name=slurm-${SLURM_ARRAY_JOB_ID:-${SLURM_JOB_ID:?this is a script for sbatch}}-${SLURM_ARRAY_TASK_ID:-0}
folder=${PITBOSS_WORKER_DIR:-$HOME/.cache/pitboss/workers}/$name

pitboss worker "$address" --tls "${PITBOSS_TLS:-$HOME/tls}" --slots "${PITBOSS_SLOTS:-1}" --name "$name" --dir "$folder" &
worker=$!
trap 'kill -TERM "$worker"' TERM
code=0
wait "$worker" || code=$?
if kill -0 "$worker" 2>/dev/null; then # the trap has ended the wait, not the worker
  code=0
  wait "$worker" || code=$?
fi
exit "$code"
