using System.Diagnostics;
using DiffusionClip.Models;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

/// <summary>Sizes for what a graph leaves free.</summary>
/// <param name="Channels">Channels of pictures or latents.</param>
/// <param name="Height">Height of pictures or latents.</param>
/// <param name="Width">Width of pictures or latents.</param>
/// <param name="Tokens">Length of a text.</param>
/// <param name="HiddenSize">Width of text embeddings.</param>
/// <param name="VocabSize">Token ids there are.</param>
public sealed record GraphSizes(int Channels, int Height, int Width, int Tokens, int HiddenSize, int VocabSize);

/// <summary>How a graph did on made-up inputs; failures are told, not thrown.</summary>
public sealed record GraphTrial
{
    private const int MostEvaluations = 50;

    /// <summary>Path in the model's folder.</summary>
    public required string File { get; init; }

    /// <summary>Inputs as the graph describes them, e.g. <c>sample float[batch,4,height,width]</c>.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];

    /// <summary>Outputs as the graph describes them.</summary>
    public IReadOnlyList<string> Outputs { get; init; } = [];

    /// <summary>Sizes of the outputs for the inputs that were tried, in the order of <see cref="Outputs"/>.</summary>
    public IReadOnlyList<string> Shapes { get; init; } = [];

    /// <summary>Whether every number of the outputs is finite, on every provider tried.</summary>
    public bool IsFinite { get; init; }

    /// <summary>Whether the CPU gave the same bits twice.</summary>
    public bool IsDeterministic { get; init; }

    /// <summary>Evaluations per second on the CPU at the sizes tried.</summary>
    public double CpuEvaluationsPerSecond { get; init; }

    /// <summary>Evaluations per second on the device; null if there was none to try.</summary>
    public double? DeviceEvaluationsPerSecond { get; init; }

    /// <summary>Largest difference between CPU and device, as a part of the largest number of the output; null if there was no device to try.</summary>
    public double? LargestDeviation { get; init; }

    /// <summary>Why the graph cannot be used; null if nothing is known against it.</summary>
    public string? Failure { get; init; }

    /// <summary>Runs a graph on the CPU twice, then for a moment to see how fast it is; and the same on a device, if one is named.</summary>
    /// <param name="folder">The model, whose graphs have been described: nothing outside of it is opened.</param>
    /// <param name="file">The graph's path in it.</param>
    /// <param name="sizes">Sizes for what the graph leaves free.</param>
    /// <param name="device">An execution provider beside the CPU; null or <c>cpu</c>: none.</param>
    /// <param name="patience">How long each provider is timed.</param>
    /// <param name="cancellationToken">Ends a running evaluation.</param>
    public static GraphTrial Run(ModelFolder folder, string file, GraphSizes sizes, string? device, TimeSpan patience, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(sizes);
        var trial = new GraphTrial { File = file };
        try
        {
            string path = folder.PathOf(file);
            Answer cpu;
            using (OnnxSession session = OnnxSession.Load(path, ExecutionProviders.Cpu, OnnxEnvironment.Current))
            {
                trial = trial with { Inputs = [.. session.Inputs.Select(port => port.ToString())], Outputs = [.. session.Outputs.Select(port => port.ToString())] };
                cpu = Evaluate(session, sizes, cancellationToken);
                Answer again = Evaluate(session, sizes, cancellationToken);
                trial = trial with
                {
                    Shapes = cpu.Shapes,
                    IsFinite = cpu.IsFinite,
                    IsDeterministic = cpu.Values.Zip(again.Values, (a, b) => a.AsSpan().SequenceEqual(b)).All(same => same),
                    CpuEvaluationsPerSecond = Rate(session, sizes, patience, cancellationToken),
                };
            }

            if (device is null or ExecutionProviders.Cpu)
            {
                return trial;
            }

            using (OnnxSession session = OnnxSession.Load(path, device, OnnxEnvironment.Current))
            {
                Answer there = Evaluate(session, sizes, cancellationToken);
                return trial with
                {
                    IsFinite = trial.IsFinite && there.IsFinite,
                    LargestDeviation = cpu.Values.Zip(there.Values, Deviation).DefaultIfEmpty(0).Max(),
                    DeviceEvaluationsPerSecond = Rate(session, sizes, patience, cancellationToken),
                };
            }
        }
        catch (Exception exception) when (exception is DiffusionClipException or OnnxRuntimeException or NotSupportedException)
        {
            return trial with { Failure = exception.Message.ReplaceLineEndings(" ") };
        }
    }

    private static double Deviation(float[] cpu, float[] device)
    {
        if (cpu.Length != device.Length)
        {
            return double.PositiveInfinity;
        }

        double largest = 0, worst = 0;
        for (int i = 0; i < cpu.Length; i++)
        {
            double difference = Math.Abs((double)cpu[i] - device[i]);
            worst = double.IsFinite(difference) ? Math.Max(worst, difference) : double.PositiveInfinity;
            largest = Math.Max(largest, Math.Abs(cpu[i]));
        }

        return worst == 0 ? 0 : worst / largest;
    }

    private static double Rate(OnnxSession session, GraphSizes sizes, TimeSpan patience, CancellationToken cancellationToken)
    {
        int evaluations = 0;
        long started = Stopwatch.GetTimestamp();
        do
        {
            Evaluate(session, sizes, cancellationToken);
            evaluations++;
        }
        while (evaluations < MostEvaluations && Stopwatch.GetElapsedTime(started) < patience);
        return evaluations / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static unsafe Answer Evaluate(OnnxSession session, GraphSizes sizes, CancellationToken cancellationToken)
    {
        using EncoderCall call = new();
        var pinned = new List<System.Runtime.InteropServices.GCHandle>();
        try
        {
            foreach (Port port in session.Inputs)
            {
                long[] shape = [.. Enumerable.Range(0, port.Rank).Select(axis => (long)(port.Fixed(axis) ?? Size(port, axis, sizes)))];
                int length = checked((int)shape.Aggregate(1L, (product, size) => product * size));
                if (port.IsReal)
                {
                    var handle = System.Runtime.InteropServices.GCHandle.Alloc(Numbers(port, length), System.Runtime.InteropServices.GCHandleType.Pinned);
                    pinned.Add(handle);
                    call.AddPinned(port, (float*)handle.AddrOfPinnedObject(), length, shape);
                }
                else
                {
                    call.Add(port, Wholes(port, length, sizes), shape);
                }
            }

            string[] outputs = [.. session.Outputs.Where(port => port.IsReal).Select(port => port.Name)];
            using IDisposableReadOnlyCollection<OrtValue> results = call.Run(session, outputs, cancellationToken);
            return new([.. results.Select(Elements.ToFloats)], [.. results.Select(result => string.Join('x', result.GetTensorTypeAndShape().Shape))]);
        }
        finally
        {
            pinned.ForEach(handle => handle.Free());
        }
    }

    private static int Size(Port port, int axis, GraphSizes sizes) => (port.Rank, axis) switch
    {
        (4, 1) => sizes.Channels,
        (4, 2) => sizes.Height,
        (4, 3) => sizes.Width,
        (3, 2) => sizes.HiddenSize,
        (2 or 3, 1) => sizes.Tokens,
        _ => 1,
    };

    // The same everywhere, and about as large as what graphs get in earnest.
    private static float[] Numbers(Port port, int length)
    {
        float[] numbers = new float[length];
        if (port.Rank <= 1)
        {
            // A timestep in the middle, or a factor.
            Array.Fill(numbers, port.Name.Contains("time", StringComparison.OrdinalIgnoreCase) || port.Name == "t" ? 500 : 1);
            return numbers;
        }

        uint state = 0x9E3779B9;
        for (int i = 0; i < length; i++)
        {
            state = (state * 1664525) + 1013904223;
            numbers[i] = ((state >> 8) / (float)(1 << 23)) - 1;
        }

        return numbers;
    }

    private static int[] Wholes(Port port, int length, GraphSizes sizes)
    {
        int[] numbers = new int[length];
        if (port.Rank <= 1)
        {
            Array.Fill(numbers, port.Name.Contains("time", StringComparison.OrdinalIgnoreCase) || port.Name == "t" ? 500 : 1);
            return numbers;
        }

        if (port.Name.Contains("mask", StringComparison.Ordinal))
        {
            Array.Fill(numbers, 1);
            return numbers;
        }

        bool isPositions = port.Name.Contains("position", StringComparison.Ordinal);
        for (int i = 0; i < length; i++)
        {
            numbers[i] = isPositions ? i % sizes.Tokens : (int)((i * 7919L) + 1) % Math.Max(2, sizes.VocabSize);
        }

        return numbers;
    }

    private sealed record Answer(float[][] Values, string[] Shapes)
    {
        public bool IsFinite => Values.All(values => Array.TrueForAll(values, float.IsFinite));
    }
}
