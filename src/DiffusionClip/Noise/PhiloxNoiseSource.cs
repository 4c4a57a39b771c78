using System.Runtime.Intrinsics;

namespace DiffusionClip.Noise;

/// <summary>
/// <c>torch.randn</c> on CUDA: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") with one
/// counter block per value and an offset that grows by one per draw, as curand and the webui's emulation count.
/// </summary>
internal sealed class PhiloxNoiseSource : NoiseSource
{
    private const int Lanes = 4;
    private const float Inverse = 2.3283064e-10f;
    private const float InverseTwoPi = (float)(2.3283064e-10 * 6.2831855);
    private uint _offset;

    /// <summary>Starts a stream.</summary>
    /// <param name="seed">Any seed; all 64 bits count.</param>
    public PhiloxNoiseSource(ulong seed)
        : this(seed, 0)
    {
    }

    private PhiloxNoiseSource(ulong seed, uint offset)
    {
        Seed = seed;
        _offset = offset;
    }

    /// <summary>What this stream was seeded with.</summary>
    public ulong Seed { get; }

    /// <inheritdoc/>
    public override void Fill(Span<float> destination)
    {
        // Double precision, as the emulation computes; a tail takes the same way as the rest.
        Span<double> u = stackalloc double[Lanes];
        Span<double> v = stackalloc double[Lanes];
        for (int i = 0; i < destination.Length; i += Lanes)
        {
            for (int lane = 0; lane < Lanes; lane++)
            {
                (uint x, uint y) = Philox(_offset, (uint)(i + lane), Seed);
                u[lane] = x * (double)Inverse + Inverse / 2;
                v[lane] = y * (double)InverseTwoPi + InverseTwoPi / 2;
            }

            Vector256<double> radius = Vector256.Sqrt(Vector256.Log(Vector256.Create<double>(u)) * -2.0);
            Vector256<double> normal = radius * Vector256.Sin(Vector256.Create<double>(v));
            Vector128<float> values = Vector128.Narrow(normal.GetLower(), normal.GetUpper());
            if (i + Lanes <= destination.Length)
            {
                values.CopyTo(destination[i..]);
            }
            else
            {
                for (int lane = 0; i + lane < destination.Length; lane++)
                {
                    destination[i + lane] = values[lane];
                }
            }
        }

        _offset++;
    }

    /// <inheritdoc/>
    public override NoiseSource Clone() => new PhiloxNoiseSource(Seed, _offset);

    /// <inheritdoc/>
    public override NoiseSource Fork(int key) => new PhiloxNoiseSource(ForkSeed(Seed, key));

    /// <inheritdoc/>
    public override void Write(BinaryWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.Write((byte)NoiseKind.Philox);
        writer.Write(Seed);
        writer.Write(_offset);
    }

    internal static PhiloxNoiseSource ReadState(BinaryReader reader)
    {
        ulong seed = reader.ReadUInt64();
        return new(seed, reader.ReadUInt32());
    }

    /// <summary>The first two words of the block whose counter is (offset, 0, index, 0).</summary>
    private static (uint X, uint Y) Philox(uint offset, uint index, ulong seed)
    {
        uint c0 = offset, c1 = 0, c2 = index, c3 = 0;
        uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
        for (int round = 0; round < 10; round++)
        {
            ulong a = 0xD2511F53UL * c0;
            ulong b = 0xCD9E8D57UL * c2;
            (c0, c1, c2, c3) = ((uint)(b >> 32) ^ c1 ^ k0, (uint)b, (uint)(a >> 32) ^ c3 ^ k1, (uint)a);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }

        return (c0, c1);
    }
}
