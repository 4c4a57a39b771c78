using DiffusionClip.Imaging;

namespace DiffusionClip.Tests.Imaging;

public sealed class PixelBufferTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(PixelBuffer.MostRented)]
    [InlineData(PixelBuffer.MostRented + 1)]
    [InlineData(48_000_000)]
    public void TheSpanHasTheLengthAndHoldsWhatIsWritten(int length)
    {
        using PixelBuffer buffer = new(length);
        Assert.Equal(length, buffer.Length);
        Assert.Equal(length, buffer.Span.Length);
        buffer.Span.Fill(7);
        Assert.Equal(-1, buffer.Span.IndexOfAnyExcept((byte)7));
    }

    [Theory]
    [InlineData(100)]
    [InlineData(PixelBuffer.MostRented + 1)]
    public void WhatWasGivenBackCannotBeUsed(int length)
    {
        PixelBuffer buffer = new(length);
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => buffer.Span.Length);
    }

    [Fact]
    public void ALengthIsNotNegative() => Assert.Throws<ArgumentOutOfRangeException>(() => new PixelBuffer(-1));
}
