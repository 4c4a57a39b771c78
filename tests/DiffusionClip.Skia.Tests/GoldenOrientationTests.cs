using System.Text.Json;
using DiffusionClip.Imaging;

namespace DiffusionClip.Skia;

/// <summary>golden/orientation: upright RGB; lossless files equal, lossy ones within 2 grey levels.</summary>
public sealed class GoldenOrientationTests(ITestOutputHelper output)
{
    private static readonly SkiaImageCodec Codec = new();

    private static RgbImage Load(string file) =>
        Codec.Decode(File.ReadAllBytes(Golden.PathOf("golden", "orientation", file)), ImageLimits.Default);

    [Fact]
    public void Golden_orientation_is_as_Pillow_gives_it()
    {
        int total = 0, passed = 0;
        (int Deviation, int Case) worst = (0, 0);
        List<string> failures = [];
        foreach (JsonElement golden in Golden.Read("golden", "orientation", "orientation.json").GetProperty("cases").EnumerateArray())
        {
            int number = total++;
            string file = golden.GetProperty("file").GetString()!;
            int orientation = golden.TryGetProperty("orientation", out JsonElement given) ? given.GetInt32() : 1;
            RgbImage expected = Load(golden.GetProperty("expected").GetString()!);
            RgbImage actual = Load(file);
            int allowed = file.EndsWith(".png", StringComparison.Ordinal) || file.StartsWith("lossless", StringComparison.Ordinal) ? 0 : 2;
            int deviation = (actual.Width, actual.Height) != (expected.Width, expected.Height) ? 255
                : actual.Pixels.ToArray().Zip(expected.Pixels.ToArray(), (a, b) => Math.Abs(a - b)).Max();
            worst = deviation > worst.Deviation ? (deviation, number) : worst;
            bool read = Exif.ReadOrientation(File.ReadAllBytes(Golden.PathOf("golden", "orientation", file))) == orientation;
            if (read && deviation <= allowed)
            {
                passed++;
            }
            else
            {
                failures.Add($"case {number} {file}: {deviation} levels off, orientation read: {read}");
            }
        }

        output.WriteLine($"orientation {passed}/{total}, worst {worst.Deviation} levels, case {worst.Case}");
        Assert.True(total > 0);
        Assert.Empty(failures);
    }
}
