using System.Globalization;
using DiffusionClip.Runtime;

namespace DiffusionClip;

/// <summary>
/// Chooses how a request is executed: once, from the configuration or from the plan of an earlier run, never by a stopwatch.
/// </summary>
internal static class ExecutionPlanner
{
    /// <summary>The plan of a run.</summary>
    /// <param name="options">The configuration.</param>
    /// <param name="store">Threads and runtime.</param>
    /// <param name="provider">The execution provider in use.</param>
    /// <param name="isGuided">Whether any evaluation is guided.</param>
    /// <param name="given">A plan to follow; null: none.</param>
    /// <param name="warnings">Takes where it cannot be followed.</param>
    public static ExecutionPlan Plan(
        PipelineOptions options,
        IModelStore store,
        string provider,
        bool isGuided,
        ExecutionPlan? given,
        List<string> warnings)
    {
        bool batched = isGuided && (given?.BatchedGuidance ?? options.Plan.BatchedGuidance ?? provider != "cpu");
        int perRun = given is null
            ? options.Plan.CandidatesPerRun
            : Math.Max(1, given.BatchedGuidance ? given.RowsPerRun / 2 : given.RowsPerRun);
        var plan = new ExecutionPlan
        {
            Provider = provider,
            BatchedGuidance = batched,
            RowsPerRun = batched ? 2 * perRun : perRun,
            PicturesPerScoring = Math.Max(1, given?.PicturesPerScoring ?? options.Plan.PicturesPerScoring),
            Threads = store.Threads,
            Runtime = store.Runtime,
        };
        if (given is not null && given != plan)
        {
            string asked = Describe(given),
                here = Describe(plan);
            warnings.Add(
                $"the plan asked for cannot be followed here ({asked}; here {here}): the pictures agree within tolerance, not bit for bit");
        }

        return plan;
    }

    private static string Describe(ExecutionPlan plan) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{plan.Provider}, {plan.RowsPerRun} rows a run, {(plan.BatchedGuidance ? "batched" : "split")} guidance, {plan.Threads} threads, {plan.Runtime}"
        );
}
