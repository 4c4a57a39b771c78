#!/bin/sh
# Kills a real worker at random points under load, 100 times or as often as the first argument says; the second is the seed of the points.
# Every accepted job has to end once, every file to be whole, the ledger to be sound, and every picture to be that of an undisturbed run.
set -eu
cd "$(dirname "$0")/.."
dotnet build tests/DiffusionClip.Worker.Tests -c Release -v q --tl:off
KILLS="${1:-100}" KILL_SEED="${2:-1}" dotnet tests/DiffusionClip.Worker.Tests/bin/Release/net10.0/DiffusionClip.Worker.Tests.dll \
    -diagnostics -showLiveOutput -method "DiffusionClip.Worker.Jobs.KillTests.Killed_at*"
