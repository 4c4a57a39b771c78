namespace DiffusionClip.Denoising;

public sealed class GuidanceTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(1031)]
    public void Combines_every_value(int length)
    {
        float[] unconditional = [.. Enumerable.Range(0, length).Select(i => MathF.Sin(i))];
        float[] conditional = [.. Enumerable.Range(0, length).Select(i => MathF.Cos(3 * i))];
        var guided = new float[length];
        Guidance.Combine(unconditional, conditional, 7.5f, guided);
        for (int i = 0; i < length; i++)
        {
            Assert.Equal(unconditional[i] + (7.5f * (conditional[i] - unconditional[i])), guided[i]);
        }

        Guidance.Combine(unconditional, conditional, 7.5f, unconditional);
        Assert.Equal(guided, unconditional);
    }

    [Fact]
    public void Rescale_gives_the_deviation_of_the_conditional()
    {
        float[] conditional = [.. Enumerable.Range(0, 999).Select(i => 100 + MathF.Cos(3 * i))];
        float[] guided = [.. conditional.Select(c => (4 * c) - 3)];
        float[] half = [.. guided];
        double before = Deviation(guided);
        Guidance.Rescale(guided, conditional, 1);
        Assert.Equal(Deviation(conditional), Deviation(guided), 1e-4);
        Guidance.Rescale(half, conditional, 0.5f);
        Assert.Equal((Deviation(conditional) + before) / 2, Deviation(half), 1e-4);
        float[] untouched = [.. half];
        Guidance.Rescale(half, conditional, 0);
        Assert.Equal(untouched, half);
    }

    [Fact]
    public void Allocates_nothing()
    {
        var a = new float[4096];
        var b = new float[4096];
        b.AsSpan().Fill(1);
        b[0] = 2;
        Guidance.Combine(a, b, 3, a);
        Guidance.Rescale(a, b, 0.7f);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Guidance.Combine(a, b, 3, a);
        Guidance.Rescale(a, b, 0.7f);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Lengths_have_to_fit() => Assert.Throws<ArgumentException>(() => Guidance.Combine(new float[3], new float[4], 2, new float[4]));

    private static double Deviation(float[] values)
    {
        double mean = values.Average(v => (double)v);
        return Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Length - 1));
    }
}
