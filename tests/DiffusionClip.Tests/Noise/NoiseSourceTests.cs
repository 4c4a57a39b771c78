using CsCheck;

namespace DiffusionClip.Noise;

public sealed class NoiseSourceTests
{
    private static readonly Gen<(NoiseKind Kind, ulong Seed, int[] Draws)> Streams =
        Gen.Select(Gen.Enum<NoiseKind>(), Gen.ULong, Gen.Int[0, 70].Array[0, 6]);

    [Fact]
    public void Clone_continues_equal() => Streams.Sample(s =>
    {
        NoiseSource noise = Advanced(s.Kind, s.Seed, s.Draws);
        NoiseSource clone = noise.Clone();
        float[] expected = Draw(noise, 5, 40, 3);
        Assert.Equal(expected, Draw(clone, 5, 40, 3));
    });

    [Fact]
    public void Written_in_mid_stream_it_goes_on_equal() => Streams.Sample(s =>
    {
        NoiseSource noise = Advanced(s.Kind, s.Seed, s.Draws);
        NoiseSource read = RoundTrip(noise);
        Assert.Equal(Draw(noise, 5, 40, 3), Draw(read, 5, 40, 3));
        Assert.Equal(Draw(noise.Fork(7), 20), Draw(read.Fork(7), 20));
    });

    [Fact]
    public void Forks_depend_on_lineage_and_key_only() => Streams.Sample(s =>
    {
        NoiseSource fresh = NoiseSource.Create(s.Kind, s.Seed);
        NoiseSource noise = Advanced(s.Kind, s.Seed, s.Draws);
        NoiseSource untouched = noise.Clone();
        float[] fork = Draw(noise.Fork(1).Fork(2), 20);
        Assert.Equal(fork, Draw(fresh.Fork(1).Fork(2), 20));
        Assert.NotEqual(fork, Draw(fresh.Fork(2).Fork(1), 20));
        Assert.NotEqual(fork, Draw(fresh.Fork(1), 20));
        Assert.NotEqual(fork, Draw(NoiseSource.Create(s.Kind, s.Seed), 20));
        Assert.Equal(Draw(untouched, 20), Draw(noise, 20));
    });

    [Fact]
    public void Seeds_of_forks_are_distinct()
    {
        HashSet<ulong> seeds = [];
        for (int key = -1000; key < 1000; key++)
        {
            Assert.True(seeds.Add(NoiseSource.ForkSeed(0, key)));
            Assert.True(seeds.Add(NoiseSource.ForkSeed(1, key)));
            Assert.True(seeds.Add(NoiseSource.ForkSeed(NoiseSource.ForkSeed(0, 0), key)));
        }
    }

    [Fact]
    public void The_spare_normal_carries_over_between_small_draws()
    {
        float[] whole = Draw(new TorchCpuNoiseSource(3), 6);
        Assert.Equal(whole, Draw(new TorchCpuNoiseSource(3), 1, 1, 3, 1));
        NoiseSource noise = new TorchCpuNoiseSource(3);
        float[] first = Draw(noise, 1);
        Draw(noise, 32);
        Assert.Equal([whole[0], whole[1]], [first[0], Draw(noise, 1)[0]]);
    }

    [Theory]
    [InlineData(NoiseKind.Cpu)]
    [InlineData(NoiseKind.Philox)]
    public void Fill_allocates_nothing(NoiseKind kind)
    {
        NoiseSource noise = NoiseSource.Create(kind, 1);
        float[] values = new float[4 * 64 * 64];
        noise.Fill(values);
        long before = GC.GetAllocatedBytesForCurrentThread();
        noise.Fill(values);
        noise.Fill(values.AsSpan(0, 9));
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Theory]
    [InlineData(NoiseKind.Cpu)]
    [InlineData(NoiseKind.Philox)]
    public void Values_are_finite_and_normal(NoiseKind kind)
    {
        float[] values = new float[1 << 20];
        NoiseSource.Create(kind, 12345).Fill(values);
        Assert.All(values, v => Assert.InRange(v, -7, 7));
        Assert.InRange(values.Average(), -0.005, 0.005);
        Assert.InRange(values.Average(v => v * v), 0.99, 1.01);
    }

    [Fact]
    public void Damaged_streams_are_refused()
    {
        using MemoryStream unknown = new([9, 0, 0, 0]);
        Assert.Throws<InvalidDataException>(() => NoiseSource.Read(new BinaryReader(unknown)));
        using MemoryStream cut = new([0, 1, 2]);
        Assert.Throws<EndOfStreamException>(() => NoiseSource.Read(new BinaryReader(cut)));
    }

    private static NoiseSource Advanced(NoiseKind kind, ulong seed, int[] draws)
    {
        NoiseSource noise = NoiseSource.Create(kind, seed);
        Draw(noise, draws);
        return noise;
    }

    private static float[] Draw(NoiseSource noise, params int[] lengths) =>
        [.. lengths.SelectMany(length =>
        {
            float[] values = new float[length];
            noise.Fill(values);
            return values;
        })];

    private static NoiseSource RoundTrip(NoiseSource noise)
    {
        using MemoryStream stream = new();
        using BinaryWriter writer = new(stream);
        noise.Write(writer);
        stream.Position = 0;
        NoiseSource read = NoiseSource.Read(new BinaryReader(stream));
        Assert.Equal(stream.Length, stream.Position);
        return read;
    }
}
