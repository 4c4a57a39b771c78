using System.Text.Json;
using DiffusionClip.Denoising;
using DiffusionClip.Models;
using DiffusionClip.Noise;
using DiffusionClip.Runtime;
using DiffusionClip.Selection;

namespace DiffusionClip.Origins;

public sealed class OriginTests
{
    private const float Scaling = 0.5f;
    private const float LogVariance = -2;

    private static readonly LatentShape Shape = new(4, 3, 5);
    private static readonly float[] Mask = [.. Enumerable.Range(0, 15).Select(i => i % 2 == 0 ? 1f : 0f)];
    private static readonly AutoencoderFolder Folder = new()
    {
        Graph = "vae_encoder/model.onnx", ConfigPath = "config.json", LatentChannels = 4, ScalingFactor = Scaling, SpatialScale = 8,
    };

    [Fact]
    public void A_picture_is_drawn_then_noised_to_the_level_of_the_beginning()
    {
        IScheduler scheduler = Scheduler("EulerDiscreteScheduler", steps: 10, strength: 0.6);
        Assert.Equal(4, scheduler.FirstEvaluation);
        float[] sample = new float[Shape.Length];
        IOriginState state = new ImageOrigin(Encoded(0.3f)).Start(NoiseSource.Create(NoiseKind.Cpu, 7), scheduler, sample);
        Assert.Equal(0, state.ExtraChannels.Length);

        var stream = NoiseSource.Create(NoiseKind.Cpu, 7);
        float[] clean = Drawn(stream, 0.3f), noise = Filled(stream), expected = new float[Shape.Length];
        scheduler.AddNoise(clean, noise, 4, expected);
        Assert.Equal(expected, sample);
    }

    [Fact]
    public void An_encoder_that_draws_itself_takes_nothing_from_the_stream()
    {
        IScheduler scheduler = Scheduler("DDIMScheduler", steps: 10, strength: 0.5);
        float[] sample = new float[Shape.Length], expected = new float[Shape.Length];
        var drawn = new EncodedPicture(new LatentEncoding(Mean(0.3f), ReadOnlyMemory<float>.Empty, Shape), Folder);
        new ImageOrigin(drawn).Start(NoiseSource.Create(NoiseKind.Cpu, 7), scheduler, sample);
        float[] clean = [.. Mean(0.3f).Select(value => value * Scaling)];
        scheduler.AddNoise(clean, Filled(NoiseSource.Create(NoiseKind.Cpu, 7)), 5, expected);
        Assert.Equal(expected, sample);
    }

    [Fact]
    public void Latents_are_the_mean_and_a_deviation_of_noise_scaled()
    {
        float[] drawn = Drawn(NoiseSource.Create(NoiseKind.Cpu, 3), 0.3f), noise = Filled(NoiseSource.Create(NoiseKind.Cpu, 3));
        for (int i = 0; i < drawn.Length; i++)
        {
            Assert.Equal(
                (Mean(0.3f)[i] + (Math.Exp(LogVariance / 2.0) * noise[i])) * Scaling,
                drawn[i],
                1e-6 * Math.Max(1, Math.Abs(drawn[i])));
        }
    }

    [Fact]
    public void Log_variances_are_clamped()
    {
        float[] logVariance = [.. Enumerable.Range(0, Shape.Length).Select(i => i % 2 == 0 ? -1000f : 1000f)];
        var encoded = new EncodedPicture(new LatentEncoding(Mean(0), logVariance, Shape), Folder);
        float[] latents = new float[Shape.Length];
        encoded.Draw(NoiseSource.Create(NoiseKind.Cpu, 1), latents);
        Assert.All(latents, value => Assert.True(float.IsFinite(value)));
        float[] noise = Filled(NoiseSource.Create(NoiseKind.Cpu, 1));
        Assert.Equal(noise[1] * MathF.Exp(10) * Scaling, latents[1], MathF.Abs(latents[1]) * 1e-5f);
        Assert.InRange(MathF.Abs(latents[0] - (Mean(0)[0] * Scaling)), 0, 1e-5f);
    }

    [Theory]
    [InlineData("EulerDiscreteScheduler")]
    [InlineData("EulerAncestralDiscreteScheduler")]
    [InlineData("HeunDiscreteScheduler")]
    [InlineData("KDPM2AncestralDiscreteScheduler")]
    [InlineData("DPMSolverMultistepScheduler")]
    [InlineData("PNDMScheduler")]
    [InlineData("DDIMScheduler")]
    [InlineData("LCMScheduler")]
    [InlineData("UniPCMultistepScheduler")]
    public void What_the_mask_keeps_is_exactly_the_pictures_latents(string name)
    {
        IScheduler scheduler = Scheduler(name, steps: 6, strength: 0.7);
        var origin = new InpaintOrigin(Encoded(0.3f), Encoded(0), Mask, seesMask: false, fromNoise: false);
        Trajectory candidate = Candidate.Root(new CandidateId(0), 7, NoiseKind.Cpu, Shape.Length, scheduler, origin).Trajectory;
        Assert.Equal(scheduler.FirstEvaluation, candidate.Evaluation);
        Assert.True(scheduler.FirstEvaluation > 0);
        var stream = NoiseSource.Create(NoiseKind.Cpu, 7);
        float[] clean = Drawn(stream, 0.3f), noise = Filled(stream), level = new float[Shape.Length];
        float[] output = new float[Shape.Length];
        for (int evaluation = candidate.Evaluation; evaluation < scheduler.Evaluations; evaluation++)
        {
            Array.Fill(output, 0.1f * evaluation);
            scheduler.Step(output, evaluation, candidate.Sample, candidate.State, candidate.Noise);
            candidate.Origin.AfterStep(After(evaluation, candidate.Sample));
            if (!scheduler.IsBoundary(evaluation + 1))
            {
                continue;
            }

            if (evaluation + 1 < scheduler.Evaluations)
            {
                scheduler.AddNoise(clean, noise, evaluation + 1, level);
            }
            else
            {
                clean.CopyTo(level, 0);
            }

            AssertKept(level, candidate.Sample);
        }
    }

    [Fact]
    public void At_full_strength_a_mask_starts_from_noise_alone()
    {
        IScheduler scheduler = Scheduler("EulerDiscreteScheduler", steps: 5, strength: 1);
        Assert.Equal(0, scheduler.FirstEvaluation);
        float[] sample = new float[Shape.Length];
        new InpaintOrigin(Encoded(0.3f), Encoded(0), Mask, seesMask: false, fromNoise: true).Start(
            NoiseSource.Create(NoiseKind.Cpu, 7),
            scheduler,
            sample);
        var stream = NoiseSource.Create(NoiseKind.Cpu, 7);
        Filled(stream);
        Assert.Equal(Filled(stream).Select(value => value * scheduler.InitNoiseSigma), sample);
    }

    [Fact]
    public void A_denoiser_that_sees_the_mask_gets_mask_and_masked_picture()
    {
        IScheduler scheduler = Scheduler("EulerDiscreteScheduler", steps: 5, strength: 1);
        float[] sample = new float[Shape.Length];
        IOriginState state = new InpaintOrigin(null, Encoded(0.9f), Mask, seesMask: true, fromNoise: true).Start(
            NoiseSource.Create(NoiseKind.Cpu, 7),
            scheduler,
            sample);
        var stream = NoiseSource.Create(NoiseKind.Cpu, 7);
        Assert.Equal(Filled(stream).Select(value => value * scheduler.InitNoiseSigma), sample);
        Assert.Equal([.. Mask, .. Drawn(stream, 0.9f)], state.ExtraChannels.ToArray());
        float[] before = [.. sample];
        state.AfterStep(After(0, sample));
        Assert.Equal(before, sample);
    }

    [Fact]
    public void Forks_share_their_origin_and_keep_the_same()
    {
        IScheduler scheduler = Scheduler("EulerAncestralDiscreteScheduler", steps: 6, strength: 0.7);
        var origin = new InpaintOrigin(Encoded(0.3f), Encoded(0), Mask, seesMask: false, fromNoise: false);
        Candidate parent = Candidate.Root(new CandidateId(0), 7, NoiseKind.Cpu, Shape.Length, scheduler, origin);
        Candidate other = Candidate.Root(new CandidateId(1), 8, NoiseKind.Cpu, Shape.Length, scheduler, origin);
        Assert.NotSame(parent.Trajectory.Origin, other.Trajectory.Origin);
        Candidate fork = parent.Fork(new CandidateId(2), scheduler);
        Assert.Same(parent.Trajectory.Origin, fork.Trajectory.Origin);
        float[] output = new float[Shape.Length];
        foreach (Trajectory candidate in new[] { parent.Trajectory, fork.Trajectory })
        {
            scheduler.Step(output, candidate.Evaluation, candidate.Sample, candidate.State, candidate.Noise);
            candidate.Origin.AfterStep(After(candidate.Evaluation, candidate.Sample));
        }

        AssertKept(parent.Trajectory.Sample, fork.Trajectory.Sample);
        Assert.NotEqual(parent.Trajectory.Sample, fork.Trajectory.Sample);
    }

    private static CompletedStep After(int evaluation, float[] sample) =>
        new() { Evaluation = evaluation, Original = [], Level = default, Sample = sample };

    [Theory]
    [InlineData(0.05)]
    [InlineData(0.0999)]
    public void A_strength_that_leaves_no_step_is_refused(double strength)
    {
        InvalidRequestException exception = Assert.Throws<InvalidRequestException>(() =>
            Scheduler("EulerDiscreteScheduler", steps: 10, strength));
        Assert.Equal("strength", exception.Field);
    }

    private static void AssertKept(float[] expected, float[] actual)
    {
        for (int i = 0; i < actual.Length; i++)
        {
            if (Mask[i % Mask.Length] == 0)
            {
                Assert.Equal(expected[i], actual[i]);
            }
        }
    }

    private static IScheduler Scheduler(string name, int steps, double strength)
    {
        using JsonDocument config = JsonDocument.Parse("""{"_class_name":"PNDMScheduler","beta_start":0.00085,"beta_end":0.012,"beta_schedule":"scaled_linear","num_train_timesteps":1000,"skip_prk_steps":true}""");
        return SchedulerCatalog.Configure(config.RootElement, name, null).Build(new ScheduleRequest { NumInferenceSteps = steps, Strength = strength });
    }

    private static float[] Mean(float offset) => [.. Enumerable.Range(0, Shape.Length).Select(i => offset + (0.1f * i))];

    private static EncodedPicture Encoded(float offset) =>
        new(new LatentEncoding(Mean(offset), Enumerable.Repeat(LogVariance, Shape.Length).ToArray(), Shape), Folder);

    private static float[] Drawn(NoiseSource stream, float offset)
    {
        float[] latents = new float[Shape.Length];
        Encoded(offset).Draw(stream, latents);
        return latents;
    }

    private static float[] Filled(NoiseSource stream)
    {
        float[] noise = new float[Shape.Length];
        stream.Fill(noise);
        return noise;
    }
}
