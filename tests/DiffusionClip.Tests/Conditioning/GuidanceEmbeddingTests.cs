namespace DiffusionClip.Conditioning;

public sealed class GuidanceEmbeddingTests
{
    [Theory]
    [InlineData(8.5f, 32)]
    [InlineData(1f, 256)]
    [InlineData(1.75f, 9)]
    public void It_holds_sines_then_cosines_of_falling_frequencies(float scale, int dim)
    {
        float[] embedding = GuidanceEmbedding.Of(scale, dim);
        Assert.Equal(dim, embedding.Length);
        int half = dim / 2;
        for (int i = 0; i < half; i++)
        {
            double phase = 1000 * (scale - 1.0) * Math.Pow(10_000, -i / (half - 1.0));

            // Phases and the logarithms of frequencies are float32, so their last bits show where phases are large.
            double tolerance = Math.Max(1e-6, phase * 2e-6);
            Assert.Equal(Math.Sin(phase), embedding[i], tolerance);
            Assert.Equal(Math.Cos(phase), embedding[half + i], tolerance);
        }

        if (dim % 2 == 1)
        {
            Assert.Equal(0, embedding[^1]);
        }
    }
}
