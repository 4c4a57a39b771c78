using DiffusionClip.Imaging;
using DiffusionClip.Skia;
using DiffusionClip.Worker.Tests;

namespace DiffusionClip.Worker.Jobs;

/// <summary>Row 13 of the fault table: whatever way a picture is stored, a job sees the same pixels.</summary>
public sealed class PictureFormatTests
{
    private const int Side = 48;
    private const string Words = "a red apple";

    [Fact]
    public async Task Row13_turned_pictures_are_seen_upright()
    {
        await using QueueHost host = await QueueHost.StartAsync();
        (string Stored, string Upright)[] pairs =
        [
            .. Directory
                .EnumerateFiles(Golden.PathOf("golden", "orientation"), "*_expected.png")
                .Order()
                .Select(expected =>
                    (
                        Directory
                            .EnumerateFiles(
                                Path.GetDirectoryName(expected)!,
                                Path.GetFileName(expected).Replace("_expected.png", ".*", StringComparison.Ordinal))
                            .Single(),
                        expected)),
        ];
        Assert.True(pairs.Length >= 12);
        foreach ((string stored, string upright) in pairs)
        {
            (double? turned, double? straight) = await ScoresAsync(
                host,
                await File.ReadAllBytesAsync(stored),
                await File.ReadAllBytesAsync(upright));
            Assert.True(Math.Abs(turned!.Value - straight!.Value) < 1e-5, $"{Path.GetFileName(stored)}: {turned} and upright {straight}");
        }
    }

    [Fact]
    public async Task Row13_depths_palettes_and_alpha_are_seen_as_plain_pixels()
    {
        await using QueueHost host = await QueueHost.StartAsync();

        // A disc that fades to nothing. CLIP's preprocessing converts to RGB as Pillow does: the colours beneath what is transparent count.
        (byte Grey, byte Alpha) At(int x, int y) =>
            ((byte)(x * 5), (byte)Math.Clamp(600 - (((x - 24) * (x - 24)) + ((y - 24) * (y - 24))), 0, 255));

        var forms = new (string Name, byte[] Stored, Func<int, int, byte[]> Plain)[]
        {
            ("grey", PngFile.Of(Side, Side, 8, 0, y => Row(x => [At(x, y).Grey])), (x, y) => Grey(At(x, y).Grey)),
            ("16-bit grey", PngFile.Of(Side, Side, 16, 0, y => Row(x => [At(x, y).Grey, At(x, y).Grey])), (x, y) => Grey(At(x, y).Grey)),
            (
                "16-bit RGB",
                PngFile.Of(Side, Side, 16, 2, y => Row(x => [(byte)x, (byte)x, (byte)y, (byte)y, 200, 200])),
                (x, y) => [(byte)x, (byte)y, 200]),
            (
                "palette",
                PngFile.Of(Side, Side, 8, 3, y => Row(x => [(byte)((x + y) % 3)]), ("PLTE", [250, 0, 0, 0, 250, 0, 0, 0, 250])),
                (x, y) => [.. new byte[3].Select((_, i) => (byte)(i == (x + y) % 3 ? 250 : 0))]),
            (
                "palette with tRNS",
                PngFile.Of(
                    Side,
                    Side,
                    8,
                    3,
                    y => Row(x => [(byte)((x + y) % 3)]),
                    ("PLTE", [250, 0, 0, 0, 250, 0, 0, 0, 250]),
                    ("tRNS", [0])),
                (x, y) => [.. new byte[3].Select((_, i) => (byte)(i == (x + y) % 3 ? 250 : 0))]),
            (
                "grey with alpha",
                PngFile.Of(Side, Side, 8, 4, y => Row(x => [At(x, y).Grey, At(x, y).Alpha])),
                (x, y) => Grey(At(x, y).Grey)),
            (
                "RGB with alpha",
                PngFile.Of(Side, Side, 8, 6, y => Row(x => [.. Grey(At(x, y).Grey), At(x, y).Alpha])),
                (x, y) => Grey(At(x, y).Grey)),
            (
                "single bits",
                PngFile.Of(Side, Side, 1, 0, y => [.. Enumerable.Range(0, Side / 8).Select(_ => (byte)(y % 2 == 0 ? 0xAA : 0x55))]),
                (x, y) => Grey((x + y) % 2 == 0 ? (byte)255 : (byte)0)),
        };
        foreach ((string name, byte[] stored, Func<int, int, byte[]> plain) in forms)
        {
            byte[] expected = PngFile.Of(Side, Side, 8, 2, y => Row(x => plain(x, y)));
            (double? seen, double? straight) = await ScoresAsync(host, stored, expected);
            Assert.True(Math.Abs(seen!.Value - straight!.Value) < 1e-3, $"{name}: {seen} and plain {straight}");
        }

        // Adobe's CMYK holds what is left of white, times black.
        (double? cmyk, double? rgb) = await ScoresAsync(
            host,
            TestFiles.CmykJpeg(200, 100, 50, 128),
            PngFile.Of(8, 8, 8, 2, _ => [.. Enumerable.Repeat(new byte[] { 100, 50, 25 }, 8).SelectMany(pixel => pixel)]));
        Assert.True(Math.Abs(cmyk!.Value - rgb!.Value) < 5e-3, $"CMYK: {cmyk} and {rgb}");

        static byte[] Row(Func<int, byte[]> pixel) => [.. Enumerable.Range(0, Side).SelectMany(pixel)];
        static byte[] Grey(byte value) => [value, value, value];
    }

    private static async Task<(double? First, double? Second)> ScoresAsync(QueueHost host, byte[] first, byte[] second)
    {
        var pairs = new List<ScorePair>();
        foreach (byte[] file in new[] { first, second })
        {
            string type = ImageHeader.FormatOf(file) switch
            {
                ImageFileFormat.Jpeg => "image/jpeg",
                ImageFileFormat.WebP => "image/webp",
                _ => "image/png",
            };
            string name = await host.Artifacts.PutAsync(file, type);
            await host.Artifacts.OwnAsync("local", name);
            pairs.Add(new ScorePair(name, [Words]));
        }

        Job job = await host.RunAsync(new JobSubmission("local", JobKind.Score, new JobBody { Score = new ScoreBody { Pairs = pairs } }));
        Assert.Equal((JobState.Done, null), (job.State, job.Reason));
        Assert.All(job.Result!.Scores, row => Assert.Null(row.Failure));
        return (job.Result.Scores[0].Score, job.Result.Scores[1].Score);
    }
}
