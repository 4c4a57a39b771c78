using System.Text.Json;
using DiffusionClip.Noise;

namespace DiffusionClip.Denoising;

/// <summary>What the scheduler tests share: the table's toy models, its requests, and its noise.</summary>
internal static class SchedulerRuns
{
    /// <summary>The request of a table case; an argument that is not known fails.</summary>
    public static ScheduleRequest Request(JsonElement run)
    {
        var request = new ScheduleRequest { NumInferenceSteps = run.GetProperty("num_inference_steps").GetInt32() };
        if (run.TryGetProperty("begin_index", out JsonElement begin))
        {
            request = request with { BeginIndex = begin.GetInt32() };
        }

        foreach (string group in new[] { "custom", "set_timesteps_arguments", "step_arguments" })
        {
            if (!run.TryGetProperty(group, out JsonElement arguments) || arguments.ValueKind != JsonValueKind.Object)
            {
                continue;
            }

            foreach (JsonProperty argument in arguments.EnumerateObject())
            {
                request = argument.Name switch
                {
                    "timesteps" => request with
                    {
                        NumInferenceSteps = null,
                        Timesteps = [.. argument.Value.EnumerateArray().Select(v => v.GetDouble())],
                    },
                    "sigmas" => request with
                    {
                        NumInferenceSteps = null,
                        Sigmas = [.. argument.Value.EnumerateArray().Select(v => v.GetDouble())],
                    },
                    "mu" => request with { Mu = argument.Value.GetDouble() },
                    "eta" => request with { Eta = argument.Value.GetDouble() },
                    "use_clipped_model_output" => request with { UseClippedModelOutput = argument.Value.GetBoolean() },
                    "s_churn" => request with { SChurn = argument.Value.GetDouble() },
                    "s_tmin" => request with { STmin = argument.Value.GetDouble() },
                    "s_tmax" => request with
                    {
                        STmax = argument.Value.ValueKind == JsonValueKind.String ? double.PositiveInfinity : argument.Value.GetDouble(),
                    },
                    "s_noise" => request with { SNoise = argument.Value.GetDouble() },
                    "order" => request with { Order = argument.Value.GetInt32() },
                    "original_inference_steps" => request with { OriginalInferenceSteps = argument.Value.GetInt32() },
                    "strength" => request with { OriginalStrength = argument.Value.GetDouble() },
                    _ => throw new NotSupportedException($"{group}.{argument.Name}"),
                };
            }
        }

        return request;
    }

    /// <summary>Model a: x·t/(t+1); model b: 0.7·tanh(x) + 0.1·cos(t/100).</summary>
    public static void ToyModel(string model, ReadOnlySpan<float> input, float t, Span<float> output)
    {
        for (int i = 0; i < input.Length; i++)
        {
            output[i] = model switch
            {
                "a" => input[i] * t / (t + 1),
                "b" => (0.7f * MathF.Tanh(input[i])) + (0.1f * MathF.Cos(t / 100)),
                _ => throw new NotSupportedException($"model {model}"),
            };
        }
    }
}

/// <summary>Noise that was written down.</summary>
internal sealed class ReplayedNoise(float[][] draws, int next = 0) : NoiseSource
{
    /// <summary>Draws so far.</summary>
    public int Draws { get; private set; } = next;

    /// <inheritdoc/>
    public override void Fill(Span<float> destination) => draws[Draws++].AsSpan(0, destination.Length).CopyTo(destination);

    /// <inheritdoc/>
    public override NoiseSource Clone() => new ReplayedNoise(draws, Draws);

    /// <inheritdoc/>
    public override NoiseSource Fork(int key) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(BinaryWriter writer) => writer.Write(Draws);
}
