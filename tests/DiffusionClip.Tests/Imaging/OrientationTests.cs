namespace DiffusionClip.Imaging;

public sealed class OrientationTests
{
    // The picture 1 2 3 over 4 5 6 under each orientation.
    [Theory]
    [InlineData(0, 3, new byte[] { 1, 2, 3, 4, 5, 6 })]
    [InlineData(1, 3, new byte[] { 1, 2, 3, 4, 5, 6 })]
    [InlineData(2, 3, new byte[] { 3, 2, 1, 6, 5, 4 })]
    [InlineData(3, 3, new byte[] { 6, 5, 4, 3, 2, 1 })]
    [InlineData(4, 3, new byte[] { 4, 5, 6, 1, 2, 3 })]
    [InlineData(5, 2, new byte[] { 1, 4, 2, 5, 3, 6 })]
    [InlineData(6, 2, new byte[] { 4, 1, 5, 2, 6, 3 })]
    [InlineData(7, 2, new byte[] { 6, 3, 5, 2, 4, 1 })]
    [InlineData(8, 2, new byte[] { 3, 6, 2, 5, 1, 4 })]
    [InlineData(9, 3, new byte[] { 1, 2, 3, 4, 5, 6 })]
    public void Each_orientation_turns_as_exif_says(int orientation, int width, byte[] expected)
    {
        byte[] pixels = [.. Enumerable.Range(1, 6).SelectMany(value => new[] { (byte)value, (byte)(value + 10), (byte)(value + 20) })];
        RgbImage turned = Orientation.Apply(new RgbImage(3, 2, pixels), orientation);
        Assert.Equal(width, turned.Width);
        Assert.Equal(expected.SelectMany(value => new[] { value, (byte)(value + 10), (byte)(value + 20) }), turned.Pixels.ToArray());
    }

    [Fact]
    public void Large_pictures_come_back_after_their_inverse()
    {
        RgbImage image = Pictures.Noise(131, 77);
        foreach ((int orientation, int inverse) in ((int, int)[])[(2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)])
        {
            Assert.Equal(image.Pixels.ToArray(), Orientation.Apply(Orientation.Apply(image, orientation), inverse).Pixels.ToArray());
        }
    }
}
