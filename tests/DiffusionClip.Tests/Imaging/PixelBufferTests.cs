namespace DiffusionClip.Imaging;

public sealed class PixelBufferTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(PixelBuffer<byte>.MostRented)]
    [InlineData(PixelBuffer<byte>.MostRented + 1)]
    [InlineData(48_000_000)]
    public void The_span_has_the_length_and_holds_what_is_written(int length)
    {
        using PixelBuffer<byte> buffer = new(length);
        Assert.Equal(length, buffer.Length);
        Assert.Equal(length, buffer.Span.Length);
        buffer.Span.Fill(7);
        Assert.Equal(-1, buffer.Span.IndexOfAnyExcept((byte)7));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(PixelBuffer<float>.MostRented / sizeof(float))]
    [InlineData((PixelBuffer<float>.MostRented / sizeof(float)) + 1)]
    [InlineData(12_000_000)]
    public void Wider_values_lie_beside_one_another(int length)
    {
        using PixelBuffer<float> buffer = new(length);
        Assert.Equal(length, buffer.Span.Length);
        for (int i = 0; i < length; i++)
        {
            buffer.Span[i] = i;
        }

        for (int i = 0; i < length; i += 1 + (length / 1000))
        {
            Assert.Equal(i, buffer.Span[i]);
        }
    }

    [Theory]
    [InlineData(100)]
    [InlineData(PixelBuffer<byte>.MostRented + 1)]
    public void What_was_given_back_cannot_be_used(int length)
    {
        PixelBuffer<byte> buffer = new(length);
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => buffer.Span.Length);
    }

    [Fact]
    public void A_length_is_not_negative() => Assert.Throws<ArgumentOutOfRangeException>(() => new PixelBuffer<byte>(-1));
}
