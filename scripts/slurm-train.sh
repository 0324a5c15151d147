#!/bin/bash
# An example: trains on two machines with four GPUs each. Change the #SBATCH lines to your cluster's, then
#
#   sbatch scripts/slurm-train.sh --data /shared/brats --out /shared/run --preset paper --diffusion.batch-size 16
#
# Submit the same line again after a time limit: the training goes on from its last saved state.
# What follows the script's name goes to `python -m src_training`; all paths must be on a file system that all see.

#SBATCH --job-name=napari-ddmd
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --output=%x-%j.log

set -euo pipefail

if [ "$#" -eq 0 ]; then
    echo "usage: sbatch $0 --data DIR --out RUN [--preset paper] ..." >&2
    exit 2
fi

GPUS="${SLURM_GPUS_ON_NODE:?start this with sbatch}"
first="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"

# One launcher on each machine, which starts a process a GPU. The python is that of the environment you submit from.
srun torchrun \
    --nnodes "$SLURM_JOB_NUM_NODES" \
    --nproc-per-node "$GPUS" \
    --rdzv-id "$SLURM_JOB_ID" \
    --rdzv-backend c10d \
    --rdzv-endpoint "$first:29500" \
    -m src_training "$@"
