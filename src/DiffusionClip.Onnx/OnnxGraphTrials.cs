using System.Diagnostics;
using System.Runtime.InteropServices;
using DiffusionClip.Models;
using DiffusionClip.Verification;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

/// <summary>Tries single graphs with ONNX Runtime. Thread-safe.</summary>
public sealed class OnnxGraphTrials : IGraphTrials
{
    private const int MostEvaluations = 50;

    /// <inheritdoc/>
    public IReadOnlyList<string> Providers => ExecutionProviders.Available();

    /// <inheritdoc/>
    public string Resolve(string provider) => ExecutionProviders.Resolve(provider);

    /// <inheritdoc/>
    public GraphTrial Try(
        ModelFolder folder, string file, GraphSizes sizes, string? device, TimeSpan duration, CancellationToken cancellationToken)
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
                trial = trial with
                {
                    Inputs = [.. session.Inputs.Select(port => port.ToString())],
                    Outputs = [.. session.Outputs.Select(port => port.ToString())],
                };
                cpu = Evaluate(session, sizes, cancellationToken);
                Answer again = Evaluate(session, sizes, cancellationToken);
                trial = trial with
                {
                    Shapes = cpu.Shapes,
                    IsFinite = cpu.IsFinite,
                    IsDeterministic = cpu.Values.Zip(again.Values, (a, b) => a.AsSpan().SequenceEqual(b)).All(same => same),
                    CpuEvaluationsPerSecond = Rate(session, sizes, duration, cancellationToken),
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
                    DeviceEvaluationsPerSecond = Rate(session, sizes, duration, cancellationToken),
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

    private static double Rate(OnnxSession session, GraphSizes sizes, TimeSpan duration, CancellationToken cancellationToken)
    {
        int evaluations = 0;
        long started = Stopwatch.GetTimestamp();
        do
        {
            Evaluate(session, sizes, cancellationToken);
            evaluations++;
        }
        while (evaluations < MostEvaluations && Stopwatch.GetElapsedTime(started) < duration);
        return evaluations / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static unsafe Answer Evaluate(OnnxSession session, GraphSizes sizes, CancellationToken cancellationToken)
    {
        using EncoderCall call = new();
        var pinned = new List<GCHandle>();
        try
        {
            foreach (Port port in session.Inputs)
            {
                long[] shape = [.. Enumerable.Range(0, port.Rank).Select(axis => (long)(port.Fixed(axis) ?? Size(port, axis, sizes)))];
                int length = checked((int)shape.Aggregate(1L, (product, size) => product * size));
                if (port.IsReal)
                {
                    var handle = GCHandle.Alloc(Numbers(port, length), GCHandleType.Pinned);
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
            return new(
                [.. results.Select(TensorElements.ToFloats)],
                [.. results.Select(result => string.Join('x', result.GetTensorTypeAndShape().Shape))]);
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

    // The same everywhere, and about as large as real inputs.
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
