using System.Text.Json;
using DiffusionClip.Denoising;
using DiffusionClip.Noise;
using static DiffusionClip.Benchmarks.Table;

namespace DiffusionClip.Benchmarks;

/// <summary>One step of every scheduler on the latents of a 512² picture against a copy of them.</summary>
internal static class SchedulerBenchmark
{
    private const int Length = 4 * 64 * 64;
    private const int Steps = 20;

    public static Task<string> RunAsync(bool _)
    {
        float[] noise = Noise(1), conditional = Noise(2), unconditional = Noise(3), guided = new float[Length], sample = new float[Length];
        double copy = Measure.Nanoseconds(() => noise.AsSpan().CopyTo(sample));
        double combine = Measure.Nanoseconds(() => Guidance.Combine(unconditional, conditional, 7.5f, guided));
        double scale = Measure.Nanoseconds(() => Guidance.Rescale(guided, conditional, 0.7f));
        double draw = Measure.Nanoseconds(() => NoiseSource.Create(NoiseKind.Cpu, 1).Fill(sample));
        var table = new Table(
            "scheduler",
            "step, µs",
            "÷ copy",
            "guidance + step, µs",
            "÷ copy",
            "scale of the input, µs",
            "step with its noise, µs",
            "bytes per step");
        foreach (SchedulerDescriptor descriptor in SchedulerCatalog.All)
        {
            using JsonDocument folder = JsonDocument.Parse("""{"_class_name":"DDIMScheduler","beta_schedule":"scaled_linear","beta_start":0.00085,"beta_end":0.012}""");
            IScheduler scheduler = SchedulerCatalog.Configure(folder.RootElement, descriptor.Label, null).Build(new ScheduleRequest { NumInferenceSteps = Steps });

            SchedulerState state = scheduler.CreateState(Length);

            // Each run starts anew: fed with its own output it would overflow.
            void Begin()
            {
                noise.CopyTo(sample, 0);
                state.Reset();
            }

            void Loop(NoiseSource source, bool guide)
            {
                for (int evaluation = 0; evaluation < scheduler.Evaluations; evaluation++)
                {
                    if (guide)
                    {
                        Guidance.Combine(unconditional, conditional, 7.5f, guided);
                    }

                    scheduler.Step(guide ? guided : conditional, evaluation, sample, state, source);
                }
            }

            double begin = Measure.Nanoseconds(Begin);
            NoiseSource silence = new Silence(), real = NoiseSource.Create(NoiseKind.Cpu, 1);
            double PerStep(NoiseSource source, bool guide) =>
                (Measure.Nanoseconds(() =>
                {
                    Begin();
                    Loop(source, guide);
                }) - begin) / scheduler.Evaluations;
            double step = PerStep(silence, guide: false), fused = PerStep(silence, guide: true);
            double input = Measure.Nanoseconds(() => scheduler.ScaleModelInput(noise, 0, sample));
            string noisy = scheduler.IsStochastic ? F(PerStep(real, guide: false) / 1e3) : "–";
            Begin();
            long before = GC.GetAllocatedBytesForCurrentThread();
            Loop(real, guide: true);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            table.Add(
                descriptor.Label,
                F(step / 1e3),
                F(step / copy),
                F(fused / 1e3),
                F(fused / copy),
                F(input / 1e3),
                noisy,
                F((double)allocated / scheduler.Evaluations, 1));
        }

        return Task.FromResult($"""
            Latents 4×64×64, {Steps} steps, mean over the steps; one thread. Goals: step ≤ 1.5 copies, guidance and step ≤ 2.5.
            A copy of the latents takes {F(copy / 1e3)} µs; guidance alone {F(combine / 1e3)} µs, its rescale {F(
                scale / 1e3
            )} µs, torch's noise for them (with seeding) {F(draw / 1e3)} µs.

            {table}
            """);
    }

    private static float[] Noise(ulong seed)
    {
        float[] values = new float[Length];
        NoiseSource.Create(NoiseKind.Cpu, seed).Fill(values);
        return values;
    }

    /// <summary>Draws nothing, so that the step alone is timed.</summary>
    private sealed class Silence : NoiseSource
    {
        public override void Fill(Span<float> destination)
        {
        }

        public override NoiseSource Clone() => this;

        public override NoiseSource Fork(int key) => this;

        public override void Write(BinaryWriter writer)
        {
        }
    }
}
