using DiffusionClip.Conditioning;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Families;
using DiffusionClip.Models;
using DiffusionClip.Origins;
using DiffusionClip.Runtime;
using DiffusionClip.Noise;
using Microsoft.Extensions.DependencyInjection;
using static DiffusionClip.Benchmarks.Table;

namespace DiffusionClip.Benchmarks;

/// <summary>Managed bytes per denoising evaluation.</summary>
internal static class AllocationBenchmark
{
    public static async Task<string> RunAsync(bool _)
    {
        await using ServiceProvider services = Host.Build();
        var table = new Table(
            "model",
            "scheduler",
            "guidance",
            "bytes per evaluation of the loop",
            "bytes from step to step in the pipeline");
        foreach (string scheduler in SchedulerCatalog.All.Select(descriptor => descriptor.Label))
        {
            await MeasureAsync(services, table, Request("emoji-sd", 64, 10, 2.5f, scheduler), batched: false, "split");
        }

        await MeasureAsync(services, table, Request("emoji-sd", 64, 10, 2.5f, null), batched: true, "batched");
        await MeasureAsync(services, table, Request("emoji-sd", 64, 10, 1, null), batched: false, "none");
        await MeasureAsync(services, table, Request("sd15-shape", 512, 2, 1, null), batched: false, "none");
        return $"""
            Pictures of 64² (`sd15-shape`: 512²); on the thread that runs the loop (`GC.GetAllocatedBytesForCurrentThread`). In the loop: what a run over twice as many steps allocates beyond one over 10 (`sd15-shape`: 2), a step.
            In the pipeline: the most that any step after the first allocates, seen by an observer in `OnStep`, with snapshots asked for and never due. Goal 0.

            {table}
            """;
    }

    private static ImageRequest Request(string model, int side, int steps, float guidance, string? scheduler) =>
        ImageRequest.For("a red fox") with
        {
            Model = new() { Id = model },
            Sampling = new()
            {
                Seed = 1,
                Scheduler = scheduler,
                GuidanceScale = guidance,
                NumInferenceSteps = steps,
                Width = side,
                Height = side,
            },
            Search = new() { Candidates = 1, Scorer = Scoring.ScorerCatalog.None },
        };

    private static async Task MeasureAsync(ServiceProvider services, Table table, ImageRequest request, bool batched, string guidance)
    {
        var pipeline = services.GetRequiredService<ImagePipeline>();
        var watch = new StepWatch();

        // The first run also compiles.
        RankedImages result = await pipeline.GenerateAsync(request, new RunControl { Observer = watch });
        ExecutionPlan plan = result.Report.Plan with { BatchedGuidance = batched, RowsPerRun = batched ? 2 : 1 };
        watch.Reset();
        result = await pipeline.GenerateAsync(request, new RunControl { Observer = watch, Plan = plan, Snapshots = new NeverDue() });

        request = pipeline.Prepare(request).Request;
        GeneratorFolder folder = services.GetRequiredService<ModelCatalog>().ResolveGenerator(request.Model.Id!);
        using GeneratorLease lease = await services
            .GetRequiredService<IModelStore>()
            .LeaseAsync<GeneratorLease>(new() { Folder = folder }, CancellationToken.None);
        int steps = request.Sampling.NumInferenceSteps!.Value;
        long once = Allocated(services, lease, request, plan, steps);
        long twice = Allocated(services, lease, request, plan, 2 * steps);
        table.Add(request.Model.Id!, result.Report.Scheduler.Label, guidance, F((double)(twice - once) / steps, 1), F(watch.Most, 0));
    }

    // The loop as the pipeline makes it, all of it on this thread.
    private static long Allocated(ServiceProvider services, GeneratorLease lease, ImageRequest request, ExecutionPlan plan, int steps)
    {
        SamplingRequest sampling = request.Sampling;
        IModelFamily family = services.GetServices<IModelFamily>().Of(lease.Folder);
        var guidance = new ConstantGuidance(new GuidanceSettings(sampling.GuidanceScale!.Value, 0.5f));
        IScheduler scheduler = SchedulerCatalog
            .Configure(lease.Folder.Scheduler, sampling.Scheduler, null)
            .Build(new ScheduleRequest { NumInferenceSteps = steps });
        PromptPlan prompt = family.Tokenize(lease.Folder, lease.Tokenizers, request.Prompt, PromptSteps.Of(scheduler, steps));
        ConditioningSchedule conditioning = family.Encode(
            prompt,
            new ConditioningRequest
            {
                Folder = lease.Folder,
                Sampling = sampling,
                IsGuided = guidance.IsActive,
            },
            lease.TextEncoders,
            CancellationToken.None);
        LatentShape shape = family.Shape(lease.Folder, sampling.Width!.Value, sampling.Height!.Value);
        using var loop = new DenoisingLoop(
            lease.Denoiser,
            shape,
            scheduler,
            conditioning,
            guidance,
            plan,
            null,
            _ => throw new NotSupportedException("Nobody asks for previews."),
            CancellationToken.None);
        Trajectory[] group =
        [
            Trajectory.Start(new CandidateId(0), NoiseSource.Create(NoiseKind.Cpu, 1), shape.Length, scheduler, TextOrigin.Instance, []),
        ];
        Func<bool> never = static () => false;
        long before = GC.GetAllocatedBytesForCurrentThread();
        loop.Run(group, 0, scheduler.Evaluations, never);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private sealed class NeverDue : IRunSnapshots
    {
        public byte[]? Load() => null;

        public bool IsDue() => false;

        public void Save(ReadOnlySpan<byte> snapshot) => throw new NotSupportedException("It is never due.");
    }

    private sealed class StepWatch : IRunObserver
    {
        private long _last = -1;

        /// <summary>The most bytes between two steps.</summary>
        public long Most { get; private set; }

        public void Reset() => (_last, Most) = (-1, 0);

        public void OnStep(in StepUpdate update)
        {
            long now = GC.GetAllocatedBytesForCurrentThread();
            Most = _last < 0 ? 0 : Math.Max(Most, now - _last);
            _last = now;
        }
    }
}
