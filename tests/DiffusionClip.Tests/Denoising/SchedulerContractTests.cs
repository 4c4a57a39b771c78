using System.Text.Json;
using DiffusionClip.Noise;

namespace DiffusionClip.Denoising;

/// <summary>What every scheduler promises, tried on all of them.</summary>
public sealed class SchedulerContractTests
{
    private const int Length = 4 * 9 * 7;

    private static readonly string[] _classes = [.. SchedulerCatalog.All.Select(d => d.ClassName).Distinct()];

    /// <summary>Every class, and the variants that step differently.</summary>
    public static TheoryData<string, string> Variants()
    {
        var variants = new TheoryData<string, string>();
        foreach (string name in _classes)
        {
            variants.Add(name, name is "DDIMScheduler" or "DDPMScheduler" ? """{"clip_sample":false}""" : "{}");
        }

        variants.Add("DDIMScheduler", """{"eta":1,"clip_sample":false}""");
        variants.Add("DDIMScheduler", """{"thresholding":true,"sample_max_value":3,"prediction_type":"v_prediction"}""");
        variants.Add("DDIMScheduler", """{"clip_sample":true,"use_clipped_model_output":true}""");
        variants.Add("PNDMScheduler", """{"skip_prk_steps":true}""");
        variants.Add("PNDMScheduler", """{"skip_prk_steps":true,"prediction_type":"v_prediction"}""");
        variants.Add("EulerDiscreteScheduler", """{"s_churn":3,"prediction_type":"v_prediction"}""");
        variants.Add("EulerDiscreteScheduler", """{"use_karras_sigmas":true,"prediction_type":"sample"}""");
        variants.Add("HeunDiscreteScheduler", """{"clip_sample":true}""");
        variants.Add("DPMSolverMultistepScheduler", """{"solver_order":3,"algorithm_type":"dpmsolver++"}""");
        variants.Add("DPMSolverMultistepScheduler", """{"solver_order":3,"algorithm_type":"dpmsolver","final_sigmas_type":"sigma_min","thresholding":true}""");
        variants.Add("DPMSolverMultistepScheduler", """{"algorithm_type":"sde-dpmsolver++","solver_type":"heun"}""");
        variants.Add("DPMSolverMultistepScheduler", """{"algorithm_type":"sde-dpmsolver","final_sigmas_type":"sigma_min"}""");
        variants.Add("DPMSolverMultistepScheduler", """{"use_flow_sigmas":true,"flow_shift":3,"prediction_type":"flow_prediction"}""");
        variants.Add("DPMSolverSinglestepScheduler", """{"solver_order":3,"solver_type":"heun"}""");
        variants.Add("DPMSolverSinglestepScheduler", """{"solver_order":3,"algorithm_type":"sde-dpmsolver++"}""");
        variants.Add("DEISMultistepScheduler", """{"solver_order":3}""");
        variants.Add("UniPCMultistepScheduler", """{"solver_order":3,"solver_type":"bh1"}""");
        variants.Add("UniPCMultistepScheduler", """{"solver_order":4,"predict_x0":false,"final_sigmas_type":"sigma_min"}""");
        variants.Add("UniPCMultistepScheduler", """{"use_flow_sigmas":true,"prediction_type":"flow_prediction","disable_corrector":[0]}""");
        variants.Add("SASolverScheduler", """{"predictor_order":3,"corrector_order":4}""");
        variants.Add("SASolverScheduler", """{"algorithm_type":"noise_prediction"}""");
        variants.Add("LCMScheduler", """{"clip_sample":true}""");
        variants.Add("TCDScheduler", """{"eta":0}""");
        variants.Add("LMSDiscreteScheduler", """{"order":2,"prediction_type":"v_prediction"}""");
        variants.Add("FlowMatchEulerDiscreteScheduler", """{"stochastic_sampling":true,"shift":3}""");
        variants.Add("FlowMatchEulerDiscreteScheduler", """{"invert_sigmas":true}""");
        variants.Add("FlowMatchHeunDiscreteScheduler", """{"s_churn":2}""");
        variants.Add("EDMEulerScheduler", """{"s_churn":2,"prediction_type":"v_prediction"}""");
        variants.Add("EDMDPMSolverMultistepScheduler", """{"algorithm_type":"sde-dpmsolver++"}""");
        return variants;
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_copy_goes_on_as_the_original(string name, string options)
    {
        foreach (int begin in new[] { 0, 3 })
        {
            IScheduler scheduler = Build(name, options, 9, begin);
            float[] expected = Run(
                scheduler,
                scheduler.FirstEvaluation,
                Start(scheduler),
                scheduler.CreateState(Length),
                new CountingNoise());
            for (int boundary = scheduler.FirstEvaluation; boundary <= scheduler.Evaluations; boundary++)
            {
                if (!scheduler.IsBoundary(boundary))
                {
                    continue;
                }

                float[] sample = Start(scheduler);
                SchedulerState state = scheduler.CreateState(Length);
                NoiseSource noise = new CountingNoise();
                Run(scheduler, scheduler.FirstEvaluation, sample, state, noise, boundary);

                SchedulerState copy = scheduler.CreateState(Length);
                state.CopyTo(copy);
                Assert.Equal(expected, Run(scheduler, boundary, [.. sample], copy, noise.Clone()));

                SchedulerState read = scheduler.CreateState(Length);
                using var stream = new MemoryStream();
                using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true))
                {
                    state.Write(writer);
                }

                stream.Position = 0;
                read.Read(new BinaryReader(stream));
                Assert.Equal(stream.Length, stream.Position);
                Assert.Equal(expected, Run(scheduler, boundary, [.. sample], read, noise.Clone()));

                state.Reset();
                Assert.Equal(expected, Run(scheduler, scheduler.FirstEvaluation, Start(scheduler), state, new CountingNoise()));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_fresh_state_begins_at_any_boundary(string name, string options)
    {
        IScheduler scheduler = Build(name, options, 9, 0);
        for (int boundary = 0; boundary < scheduler.Evaluations; boundary++)
        {
            if (scheduler.IsBoundary(boundary))
            {
                float[] sample = Vector(3);
                scheduler.AddNoise(Vector(3), Vector(4), boundary, sample);
                float[] result = Run(scheduler, boundary, sample, scheduler.CreateState(Length), new CountingNoise());
                Assert.All(result, v => Assert.True(float.IsFinite(v)));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_step_allocates_nothing(string name, string options)
    {
        IScheduler scheduler = Build(name, options, 6, 0);
        float[] sample = Start(scheduler);
        var input = new float[Length];
        var output = new float[Length];
        SchedulerState state = scheduler.CreateState(Length);
        NoiseSource noise = new CountingNoise();

        // The first run compiles.
        for (int run = 0; run < 2; run++)
        {
            state.Reset();
            Start(scheduler).CopyTo(sample, 0);
            for (int e = 0; e < scheduler.Evaluations; e++)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                scheduler.ScaleModelInput(sample, e, input);
                SchedulerRuns.ToyModel("b", input, scheduler.Timesteps[e], output);
                scheduler.Step(output, e, sample, state, noise);
                long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                Assert.True(run == 0 || allocated == 0, $"evaluation {e} allocates {allocated} bytes");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Plans_fit_together(string name, string options)
    {
        IScheduler scheduler = Build(name, options, 9, 0);
        Assert.Equal(scheduler.Evaluations, scheduler.Timesteps.Length);
        Assert.Equal(scheduler.Evaluations + 1, scheduler.Levels.Length);
        Assert.True(scheduler.IsBoundary(0));
        Assert.True(scheduler.IsBoundary(scheduler.Evaluations));
        Assert.Throws<ArgumentOutOfRangeException>(() => scheduler.IsBoundary(scheduler.Evaluations + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            scheduler.Step(Vector(1), scheduler.Evaluations, Vector(1), scheduler.CreateState(Length), new CountingNoise()));
        Assert.Throws<ArgumentException>(() =>
            scheduler.Step(Vector(1), 0, Vector(1), scheduler.CreateState(Length + 1), new CountingNoise()));
        var noise = new CountingNoise();
        Run(scheduler, 0, Start(scheduler), scheduler.CreateState(Length), noise);
        Assert.Equal(scheduler.IsStochastic, noise.Draws > 0);
        foreach (SignalNoise level in scheduler.Levels)
        {
            bool preserving = Math.Abs((level.Alpha * level.Alpha) + (level.Sigma * level.Sigma) - 1) < 1e-5;
            Assert.True(level.Alpha == 1 || preserving || Math.Abs(level.Alpha + level.Sigma - 1) < 1e-6, $"{level}");
        }
    }

    /// <summary>A model that knows the answer: x0 predicted from a noised sample is the clean one, at every boundary.</summary>
    [Theory]
    [MemberData(nameof(Variants))]
    public void Predict_original_undoes_add_noise(string name, string options)
    {
        if (name is "LCMScheduler" || IsLimited(options))
        {
            // These do not aim at x0 itself.
            return;
        }

        IScheduler scheduler = Build(name, options, 9, 0);
        float[] clean = Vector(5);
        float[] noise = Vector(6);
        var noisy = new float[Length];
        var predicted = new float[Length];
        for (int e = 0; e < scheduler.Evaluations; e++)
        {
            // At alpha = 0 no prediction of noise tells x0.
            SignalNoise level = scheduler.Levels[e];
            if (level.Alpha < 1e-3 && scheduler.PredictionType == PredictionType.Epsilon)
            {
                continue;
            }

            scheduler.AddNoise(clean, noise, e, noisy);
            scheduler.PredictOriginal(PerfectOutput(scheduler, name, options, clean, noise, noisy, e), noisy, e, predicted);
            double tolerance = 2e-6 * (1 + (level.Sigma / Math.Max(level.Alpha, 1e-3f)));
            for (int i = 0; i < Length; i++)
            {
                Assert.True(
                    Math.Abs(clean[i] - predicted[i]) <= tolerance,
                    $"evaluation {e}, {level}: {predicted[i]}, {clean[i]} expected");
            }
        }
    }

    /// <summary>With a model that knows the answer every scheduler arrives at it.</summary>
    [Theory]
    [MemberData(nameof(Variants))]
    public void A_perfect_model_leads_to_its_answer(string name, string options)
    {
        if (IsLimited(options) || name == "IPNDMScheduler" || options.Contains("s_churn\":3", StringComparison.Ordinal))
        {
            // IPNDM begins where nothing but noise is left and takes it for its answer; Euler reads v at the level before churn.
            return;
        }

        // SDEs in the noise are exact for short steps only.
        bool isNoiseSde =
            options.Contains("\"sde-dpmsolver\"", StringComparison.Ordinal)
            || options.Contains("noise_prediction", StringComparison.Ordinal);
        IScheduler scheduler = Build(name, options, isNoiseSde ? 900 : 12, 0);
        float[] clean = Vector(5);
        float[] sample = Start(scheduler);
        SchedulerState state = scheduler.CreateState(Length);
        var noise = new CountingNoise();
        for (int e = 0; e < scheduler.Evaluations; e++)
        {
            scheduler.Step(PerfectOutput(scheduler, name, options, clean, null, sample, e), e, sample, state, noise);
        }

        float rest = scheduler.Levels[^1].Sigma;
        for (int i = 0; i < Length; i++)
        {
            Assert.True(
                Math.Abs(clean[i] - sample[i]) <= 1e-3 + (6 * rest),
                $"{sample[i]}, {clean[i]} expected, with {rest} of noise left");
        }
    }

    [Fact]
    public void States_of_others_are_refused()
    {
        SchedulerState state = Build("DPMSolverMultistepScheduler", "{}", 5, 0).CreateState(Length);
        Assert.Throws<ArgumentException>(() => state.CopyTo(Build("EulerDiscreteScheduler", "{}", 5, 0).CreateState(Length)));
        Assert.Throws<ArgumentException>(() => state.CopyTo(Build("DPMSolverMultistepScheduler", "{}", 5, 0).CreateState(Length + 1)));
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        state.Write(writer);
        stream.Position = 0;
        Assert.Throws<DiffusionClipException>(() =>
            Build("EulerDiscreteScheduler", "{}", 5, 0).CreateState(Length).Read(new BinaryReader(stream)));
    }

    [Theory]
    [InlineData("DDIMScheduler", 0)]
    [InlineData("DDIMScheduler", -3)]
    [InlineData("EulerDiscreteScheduler", 1001)]
    [InlineData("DPMSolverMultistepScheduler", 1000000)]
    [InlineData("LCMScheduler", 51)]
    [InlineData("PNDMScheduler", 3)]
    [InlineData("IPNDMScheduler", 1001)]
    public void Steps_that_are_not_possible_are_refused(string name, int steps)
    {
        var error = Assert.Throws<InvalidRequestException>(() =>
            SchedulerCatalog.Configure(default, name, null).Build(new() { NumInferenceSteps = steps }));
        Assert.Equal("num_inference_steps", error.Field);
        Assert.Equal($"{steps}", error.Value);
    }

    [Fact]
    public void Other_requests_that_are_not_possible_are_refused()
    {
        Refuses("num_inference_steps", "DDIMScheduler", new());
        Refuses("timesteps", "DDIMScheduler", new() { Timesteps = [999, 0] });
        Refuses("sigmas", "DPMSolverMultistepScheduler", new() { Sigmas = [10, 0] });
        Refuses("timesteps", "EulerDiscreteScheduler", new() { Timesteps = [] });
        Refuses("timesteps", "EulerDiscreteScheduler", new() { Timesteps = [double.NaN] });
        Refuses("timesteps", "LCMScheduler", new() { Timesteps = [499, 999] });
        Refuses("strength", "DDIMScheduler", new() { NumInferenceSteps = 5, Strength = 0.1 });
        Refuses("strength", "DDIMScheduler", new() { NumInferenceSteps = 5, Strength = 1.5 });
        Refuses("strength", "DDIMScheduler", new() { NumInferenceSteps = 5, Strength = double.NaN });
        Refuses("begin_index", "DDIMScheduler", new() { NumInferenceSteps = 5, BeginIndex = 5 });
        Refuses("eta", "DDIMScheduler", new() { NumInferenceSteps = 5, Eta = 2 });
        Refuses("mu", "DPMSolverMultistepScheduler", new() { NumInferenceSteps = 5, Mu = 1 });
        Refuses("order", "LMSDiscreteScheduler", new() { NumInferenceSteps = 5, Order = 0 });
        Refuses("use_exponential_sigmas", "EulerDiscreteScheduler", new() { NumInferenceSteps = 5 }, """{"use_karras_sigmas":true,"use_exponential_sigmas":true}""");
        Refuses("timesteps", "EulerDiscreteScheduler", new() { Timesteps = [999, 5] }, """{"use_karras_sigmas":true}""");
        Refuses("final_sigmas_type", "DPMSolverMultistepScheduler", new() { NumInferenceSteps = 5 }, """{"algorithm_type":"dpmsolver"}""");
        Refuses("solver_order", "DPMSolverMultistepScheduler", new() { NumInferenceSteps = 5 }, """{"solver_order":4}""");
        Refuses("prediction_type", "EulerAncestralDiscreteScheduler", new() { NumInferenceSteps = 5 }, """{"prediction_type":"sample"}""");
        Refuses("beta_schedule", "DDIMScheduler", new() { NumInferenceSteps = 5 }, """{"beta_schedule":"sigmoid"}""");
        Refuses("trained_betas", "DDIMScheduler", new() { NumInferenceSteps = 5 }, """{"trained_betas":[0.1,0.2]}""");
        Refuses("mu", "FlowMatchEulerDiscreteScheduler", new() { NumInferenceSteps = 5 }, """{"use_dynamic_shifting":true}""");

        static void Refuses(string field, string name, ScheduleRequest request, string options = "{}") =>
            Assert.Equal(
                field,
                Assert
                    .Throws<InvalidRequestException>(() =>
                        SchedulerCatalog.Configure(default, name, Split(options).Options).Build(request))
                    .Field);
    }

    [Theory]
    [InlineData(20, 0.75, 5)]
    [InlineData(20, 1, 0)]
    [InlineData(50, 0.3, 35)]
    [InlineData(3, 0.4, 2)]
    public void Strength_leaves_steps_out(int steps, double strength, int begin)
    {
        Assert.Equal(
            begin,
            SchedulerCatalog
                .Configure(default, "DDIM", null)
                .Build(new() { NumInferenceSteps = steps, Strength = strength })
                .FirstEvaluation);
        Assert.Equal(
            2 * begin,
            SchedulerCatalog
                .Configure(default, "Heun", null)
                .Build(new() { NumInferenceSteps = steps, Strength = strength })
                .FirstEvaluation);
    }

    [Fact]
    public void Evaluations_count_calls_of_the_model()
    {
        Assert.Equal(10, Build("EulerDiscreteScheduler", "{}", 10, 0).Evaluations);
        Assert.Equal(19, Build("HeunDiscreteScheduler", "{}", 10, 0).Evaluations);
        Assert.Equal(19, Build("KDPM2AncestralDiscreteScheduler", "{}", 10, 0).Evaluations);
        IScheduler pndm = Build("PNDMScheduler", """{"skip_prk_steps":true}""", 10, 0);
        Assert.Equal(11, pndm.Evaluations);
        Assert.Equal([0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], Enumerable.Range(0, 12).Where(pndm.IsBoundary));
        IScheduler heun = Build("HeunDiscreteScheduler", "{}", 4, 0);
        Assert.Equal([0, 2, 4, 6, 7], Enumerable.Range(0, 8).Where(heun.IsBoundary));
        IScheduler singlestep = Build("DPMSolverSinglestepScheduler", "{}", 6, 0);
        Assert.Equal([0, 2, 4, 5, 6], Enumerable.Range(0, 7).Where(singlestep.IsBoundary));
    }

    private static bool IsLimited(string options) =>
        options.Contains("clip_sample\":true", StringComparison.Ordinal) || options.Contains("thresholding", StringComparison.Ordinal);

    private static IScheduler Build(string name, string options, int steps, int begin)
    {
        (Dictionary<string, JsonElement> configured, ScheduleRequest request) = Split(options);
        return SchedulerCatalog.Configure(default, name, configured).Build(request with { NumInferenceSteps = steps, BeginIndex = begin });
    }

    // Settings of the request are written among the options, to keep the variants short.
    private static (Dictionary<string, JsonElement> Options, ScheduleRequest Request) Split(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        var options = new Dictionary<string, JsonElement>();
        var request = new ScheduleRequest();
        foreach (JsonProperty property in document.RootElement.Clone().EnumerateObject())
        {
            switch (property.Name)
            {
                case "eta":
                    request = request with { Eta = property.Value.GetDouble() };
                    break;
                case "s_churn":
                    request = request with { SChurn = property.Value.GetDouble() };
                    break;
                case "order":
                    request = request with { Order = property.Value.GetInt32() };
                    break;
                case "use_clipped_model_output":
                    request = request with { UseClippedModelOutput = true };
                    break;
                default:
                    options.Add(property.Name, property.Value);
                    break;
            }
        }

        return (options, request);
    }

    private static float[] Run(IScheduler scheduler, int from, float[] sample, SchedulerState state, NoiseSource noise, int? until = null)
    {
        var input = new float[sample.Length];
        var output = new float[sample.Length];
        for (int e = from; e < (until ?? scheduler.Evaluations); e++)
        {
            scheduler.ScaleModelInput(sample, e, input);
            SchedulerRuns.ToyModel("b", input, scheduler.Timesteps[e], output);
            scheduler.Step(output, e, sample, state, noise);
        }

        return sample;
    }

    private static float[] PerfectOutput(
        IScheduler scheduler,
        string name,
        string options,
        float[] clean,
        float[]? noise,
        float[] sample,
        int evaluation)
    {
        SignalNoise level = scheduler.Levels[evaluation];
        var output = new float[sample.Length];
        for (int i = 0; i < output.Length; i++)
        {
            double sigma = level.Sigma;
            double alpha = level.Alpha;
            double n = noise?[i] ?? (sample[i] - (alpha * clean[i])) / sigma;
            double scale = Math.Sqrt((alpha * alpha) + (sigma * sigma));
            output[i] = (float)(name.StartsWith("EDM", StringComparison.Ordinal)
                ? Edm(clean[i], sample[i], sigma, scheduler.PredictionType)
                : options.Contains("invert_sigmas", StringComparison.Ordinal) ? clean[i] - n
                : scheduler.PredictionType switch
                {
                    PredictionType.Epsilon => n,
                    PredictionType.Sample => clean[i],
                    PredictionType.Flow => n - clean[i],
                    _ => ((alpha * n) - (sigma * clean[i])) / scale,
                });
        }

        return output;

        static double Edm(double x0, double x, double sigma, PredictionType type)
        {
            double skip = 0.25 / ((sigma * sigma) + 0.25);
            double factor = sigma * 0.5 / Math.Sqrt((sigma * sigma) + 0.25);
            return (x0 - (skip * x)) / (type == PredictionType.VPrediction ? -factor : factor);
        }
    }

    private static float[] Start(IScheduler scheduler) => [.. Vector(1).Select(v => v * scheduler.InitNoiseSigma)];

    private static float[] Vector(int seed)
    {
        var values = new float[Length];
        var noise = new CountingNoise(seed * 1000);
        noise.Fill(values);
        return values;
    }

    private sealed class CountingNoise(int draws = 0) : NoiseSource
    {
        public int Draws { get; private set; } = draws;

        public override void Fill(Span<float> destination)
        {
            for (int i = 0; i < destination.Length; i++)
            {
                // Not random, but spread like it: enough to tell draws apart.
                destination[i] = 2 * MathF.Sin((Draws * 12.9898f) + (i * 78.233f));
            }

            Draws++;
        }

        public override NoiseSource Clone() => new CountingNoise(Draws);

        public override NoiseSource Fork(int key) => throw new NotSupportedException();

        public override void Write(BinaryWriter writer) => writer.Write(Draws);
    }
}
