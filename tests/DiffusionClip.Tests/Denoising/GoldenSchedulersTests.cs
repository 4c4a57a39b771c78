using System.Globalization;
using System.Text.Json;
using DiffusionClip.Denoising.Schedulers;

namespace DiffusionClip.Denoising;

/// <summary>Full runs of diffusers' schedulers under a toy model, to 1e-5 of each run's largest value.</summary>
public sealed class GoldenSchedulersTests(ITestOutputHelper output)
{
    private const double Tolerance = 1e-5;

    [Fact]
    public void Golden_runs()
    {
        JsonElement table = Golden.Read("golden", "schedulers.json");
        float[] sample = Floats(table.GetProperty("sample"));
        float[][] noise = [.. table.GetProperty("noise").EnumerateArray().Select(Floats)];
        var failures = new List<string>();
        var allowed = new List<string>();
        int total = 0;
        int passed = 0;
        (double Deviation, int Case) worst = (0, -1);
        foreach (JsonElement run in table.GetProperty("cases").EnumerateArray())
        {
            int index = total++;
            string scheduler = run.GetProperty("scheduler").GetString()!;
            double deviation;
            string? problem;
            try
            {
                (deviation, problem, double tolerance) = Compare(run, sample, noise);
                if (problem is null && deviation > Tolerance)
                {
                    allowed.Add(string.Create(CultureInfo.InvariantCulture, $"case {index} {deviation:0.0e+0} of {tolerance:0.0e+0}"));
                    deviation = 0;
                }

            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                (deviation, problem) = (double.PositiveInfinity, e.GetType().Name + ": " + e.Message + e.StackTrace?.Split('\n')[0]);
            }

            if (deviation > worst.Deviation)
            {
                worst = (deviation, index);
            }

            if (problem is null)
            {
                passed++;
            }
            else
            {
                failures.Add($"case {index} {scheduler}: {problem} {run.GetProperty("given")}");
            }
        }

        string allowed_ = allowed.Count == 0 ? "" : "; ill-conditioned, within their own bound: " + string.Join(", ", allowed);
        output.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"schedulers {passed}/{total}, worst {worst.Deviation:0.0e+0}, case {worst.Case}{allowed_}"));
        Assert.True(failures.Count == 0, string.Join('\n', failures.Take(40)));
        Assert.Equal(total, passed);
    }

    /// <summary>
    /// The table holds each configuration twice: as given and with every default filled in. Both have to be the same to us.
    /// </summary>
    [Fact]
    public void Golden_defaults()
    {
        JsonElement table = Golden.Read("golden", "schedulers.json");
        int read = 0;
        foreach (JsonElement run in table.GetProperty("cases").EnumerateArray())
        {
            string scheduler = run.GetProperty("scheduler").GetString()!;
            SchedulerConfig full = SchedulerCatalog.Configure(run.GetProperty("config"), scheduler, null);
            SchedulerConfig given = SchedulerCatalog.Configure(run.GetProperty("given"), scheduler, null);
            foreach (string option in SchedulerOptions.Of(full.GetType()).Keys)
            {
                if (option == "lower_order_final" && scheduler == "DPMSolverSinglestepScheduler")
                {
                    // The table was written after the run, in which the reference may have turned it on.
                    continue;
                }

                object? expected = SchedulerOptions.Get(full, option);
                object? actual = SchedulerOptions.Get(given, option);
                Assert.True(
                    expected is System.Collections.IEnumerable list and not string
                        ? list.Cast<object>().SequenceEqual((actual as System.Collections.IEnumerable)?.Cast<object>() ?? [])
                        : Equals(expected, actual),
                    $"{scheduler}.{option}: {expected} filled in, {actual} by default");
            }

            read++;
        }

        Assert.True(read > 0);
    }

    private static (double Deviation, string? Problem, double Tolerance) Compare(JsonElement run, float[] start, float[][] noise)
    {
        SchedulerConfig config = SchedulerCatalog.Configure(run.GetProperty("config"), run.GetProperty("scheduler").GetString(), null);
        ScheduleRequest request = SchedulerRuns.Request(run);
        IScheduler scheduler = config.Build(request);
        double worst = 0;
        string? problem = null;
        double tolerance = Math.Max(Tolerance, Conditioning(scheduler));

        float[] timesteps = Floats(run.GetProperty("timesteps"));
        Check("timesteps", timesteps, scheduler.Timesteps);
        CheckOne("init_noise_sigma", run.GetProperty("init_noise_sigma").GetDouble(), scheduler.InitNoiseSigma);
        if (run.TryGetProperty("sigmas", out JsonElement sigmas) && sigmas.ValueKind == JsonValueKind.Array)
        {
            Check("sigmas", Floats(sigmas), ((SchedulerPlan)scheduler).Sigmas);
        }

        var source = new ReplayedNoise(noise);
        float[] sample = [.. start];
        if (request.BeginIndex is not null)
        {
            scheduler.AddNoise(start, noise[100], scheduler.FirstEvaluation, sample);
        }
        else
        {
            for (int i = 0; i < sample.Length; i++)
            {
                sample[i] *= scheduler.InitNoiseSigma;
            }
        }

        SchedulerState state = scheduler.CreateState(sample.Length);
        double largest = sample.Max(v => Math.Abs((double)v));
        double largestSum = sample.Sum(v => Math.Abs((double)v));
        var scaled = new float[sample.Length];
        var modelOutput = new float[sample.Length];
        JsonElement[] steps = [.. run.GetProperty("steps").EnumerateArray()];
        if (steps.Length != scheduler.Evaluations - scheduler.FirstEvaluation)
        {
            return (
                double.PositiveInfinity,
                $"{scheduler.Evaluations - scheduler.FirstEvaluation} evaluations, {steps.Length} expected",
                tolerance);
        }

        for (int e = scheduler.FirstEvaluation; e < scheduler.Evaluations; e++)
        {
            scheduler.ScaleModelInput(sample, e, scaled);
            SchedulerRuns.ToyModel(run.GetProperty("model").GetString()!, scaled, scheduler.Timesteps[e], modelOutput);
            scheduler.Step(modelOutput, e, sample, state, source);
            double[] expected = [.. steps[e - scheduler.FirstEvaluation].EnumerateArray().Select(v => v.GetDouble())];
            double sum = sample.Sum(v => Math.Abs((double)v));
            largest = Math.Max(largest, sample.Max(v => Math.Abs((double)v)));
            largestSum = Math.Max(largestSum, expected[0]);
            Relative($"step {e} sum", Math.Abs(sum - expected[0]), largestSum);
            Relative($"step {e} [0]", Math.Abs(sample[0] - expected[1]), largest);
            Relative($"step {e} [101]", Math.Abs(sample[101] - expected[2]), largest);
        }

        // The result is measured by its own largest value; where it is nothing but rounding (model a, predicting x0), by the run's.
        float[] final = Floats(run.GetProperty("final"));
        double largestOfFinal = final.Max(v => Math.Abs((double)v));
        Check("final", final, sample, largestOfFinal > 1e-4 * largest ? largestOfFinal : largest);
        if (source.Draws != run.GetProperty("noise_draws").GetInt32())
        {
            problem ??= $"{source.Draws} draws, {run.GetProperty("noise_draws").GetInt32()} expected";
        }

        return (worst, problem, tolerance);

        void Check(string what, float[] expected, ReadOnlySpan<float> actual, double? measure = null)
        {
            if (expected.Length != actual.Length)
            {
                problem ??= $"{what}: {actual.Length} values, {expected.Length} expected";
                return;
            }

            double scale = measure ?? (expected.Length == 0 ? 1 : expected.Max(v => Math.Abs((double)v)));
            for (int i = 0; i < expected.Length; i++)
            {
                Relative($"{what}[{i}] = {actual[i]}, {expected[i]} expected", Math.Abs((double)actual[i] - expected[i]), scale);
            }
        }

        void CheckOne(string what, double expected, double actual) =>
            Relative($"{what} = {actual}, {expected} expected", Math.Abs(expected - actual), Math.Abs(expected));

        void Relative(string what, double difference, double scale)
        {
            double deviation = difference / Math.Max(scale, 1e-12);
            if (!(deviation <= worst))
            {
                worst = double.IsNaN(deviation) ? double.PositiveInfinity : deviation;
            }

            if (!(deviation <= tolerance))
            {
                problem ??= string.Create(CultureInfo.InvariantCulture, $"{what}: off by {deviation:0.0e+0}");
            }
        }
    }

    // DPM2 ancestral subtracts sigma_up² from sigma_next², which are equal but for (next/from)²: one unit in the last place of the
    // reference's square root, which is not always the nearest number, becomes (from/next)² units of sigma_down and so of the timestep
    // in between. On the beta schedule that is more than the tolerance, whoever computes it.
    private static double Conditioning(IScheduler scheduler)
    {
        double worst = 0;
        if (scheduler is Kdpm2AncestralDiscreteScheduler)
        {
            for (int e = 0; e + 2 < scheduler.Evaluations; e += 2)
            {
                double ratio = scheduler.Levels[e].Sigma / scheduler.Levels[e + 2].Sigma;
                worst = Math.Max(worst, ratio * ratio * Math.Pow(2, -24));
            }
        }

        return worst;
    }

    private static float[] Floats(JsonElement list) =>
        [
            .. list.EnumerateArray()
                .Select(v =>
                    v.ValueKind == JsonValueKind.String ? float.Parse(v.GetString()!, CultureInfo.InvariantCulture) : v.GetSingle()),
        ];
}
