using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DiffusionClip.Noise;

/// <summary>
/// <c>torch.randn(..., generator=torch.Generator().manual_seed(seed))</c> on the CPU: mt19937 and torch's two ways of making
/// normal numbers, one below and one from 16 values (ATen/native/cpu/DistributionTemplates.h, ATen/core/DistributionsHelper.h).
/// Equal to within 1e-6; the difference is in the last bits of logarithm and sine.
/// </summary>
internal sealed class TorchCpuNoiseSource : NoiseSource
{
    private const int Block = 16;
    private const float TwoPi = 2 * MathF.PI;
    private readonly Mt19937 _engine;
    private double? _spare;

    /// <summary>Starts a stream.</summary>
    /// <param name="seed">Any seed; as in torch only the lower 32 bits make a difference.</param>
    public TorchCpuNoiseSource(ulong seed)
        : this(seed, new Mt19937((uint)seed), null)
    {
    }

    private TorchCpuNoiseSource(ulong seed, Mt19937 engine, double? spare)
    {
        Seed = seed;
        _engine = engine;
        _spare = spare;
    }

    /// <summary>What this stream was seeded with.</summary>
    public ulong Seed { get; }

    /// <inheritdoc/>
    public override void Fill(Span<float> destination)
    {
        if (destination.Length < Block)
        {
            foreach (ref float value in destination)
            {
                value = (float)NextNormal();
            }

            return;
        }

        FillUniform(destination);
        int full = destination.Length & -Block;
        for (int i = 0; i < full; i += Block)
        {
            BoxMuller(destination.Slice(i, Block));
        }

        if (full < destination.Length)
        {
            // A tail is made by drawing the last 16 values again, over what the last full block left there.
            Span<float> last = destination[^Block..];
            FillUniform(last);
            BoxMuller(last);
        }
    }

    /// <summary>Draws numbers uniform in [0, 1) as one <c>torch.rand</c> of that many values.</summary>
    public void FillUniform(Span<float> destination)
    {
        foreach (ref float value in destination)
        {
            value = (_engine.Next() & 0xFFFFFF) * (1f / (1 << 24));
        }
    }

    /// <inheritdoc/>
    public override NoiseSource Clone() => new TorchCpuNoiseSource(Seed, _engine.Clone(), _spare);

    /// <inheritdoc/>
    public override NoiseSource Fork(int key) => new TorchCpuNoiseSource(ForkSeed(Seed, key));

    /// <inheritdoc/>
    public override void Write(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write((byte)NoiseKind.Cpu);
        writer.Write(Seed);
        writer.Write(_spare.HasValue);
        writer.Write(_spare.GetValueOrDefault());
        _engine.Write(writer);
    }

    internal static TorchCpuNoiseSource ReadState(BinaryReader reader)
    {
        ulong seed = reader.ReadUInt64();
        bool hasSpare = reader.ReadBoolean();
        double spare = reader.ReadDouble();
        return new(seed, Mt19937.Read(reader), hasSpare ? spare : null);
    }

    /// <summary>Box-Muller in double precision; of each pair the sine is kept for the next number, across draws as in torch.</summary>
    private double NextNormal()
    {
        if (_spare is { } spare)
        {
            _spare = null;
            return spare;
        }

        double u1 = NextUniform();
        double u2 = NextUniform();
        double radius = Math.Sqrt(-2 * Math.Log(1 - u2));
        (double sin, double cos) = Math.SinCos(2 * Math.PI * u1);
        _spare = radius * sin;
        return radius * cos;
    }

    private double NextUniform() => (_engine.Next64() & ((1UL << 53) - 1)) * (1.0 / (1UL << 53));

    /// <summary>Box-Muller in single precision over 8 radii and 8 angles, in place.</summary>
    private static void BoxMuller(Span<float> block)
    {
        ref float first = ref MemoryMarshal.GetReference(block);
        Vector256<float> u1 = Vector256<float>.One - Vector256.LoadUnsafe(ref first);
        Vector256<float> u2 = Vector256.LoadUnsafe(ref first, Block / 2);
        Vector256<float> radius = Vector256.Sqrt(Vector256.Log(u1) * -2f);
        (Vector256<float> sin, Vector256<float> cos) = Vector256.SinCos(u2 * TwoPi);
        (radius * cos).StoreUnsafe(ref first);
        (radius * sin).StoreUnsafe(ref first, Block / 2);
    }
}
