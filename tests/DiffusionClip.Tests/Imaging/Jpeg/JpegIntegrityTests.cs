using System.Diagnostics;

namespace DiffusionClip.Imaging.Jpeg;

public sealed class JpegIntegrityTests
{
    private static string Refusal(byte[] file) => Assert.Throws<ImageFormatException>(() => JpegIntegrity.Check(file)).Message;

    [Fact]
    public void A_file_of_a_hundred_scans_is_whole_and_one_more_is_damage()
    {
        JpegIntegrity.Check(JpegFile.Progressive(128, JpegIntegrity.MostScans));
        Assert.Contains("more than 100 scans", Refusal(JpegFile.Progressive(128, JpegIntegrity.MostScans + 1)), StringComparison.Ordinal);
    }

    [Fact]
    public void Scans_without_end_cost_no_more_than_the_hundred_that_are_read()
    {
        // 80 KB that stand for half a billion blocks.
        byte[] file = JpegFile.Progressive(512, 2_000);
        Stopwatch watch = Stopwatch.StartNew();
        Refusal(file);
        TimeSpan refused = watch.Elapsed;
        watch.Restart();
        JpegIntegrity.Check(JpegFile.Progressive(512, JpegIntegrity.MostScans));
        Assert.InRange(refused.TotalSeconds, 0, (5 * watch.Elapsed.TotalSeconds) + 0.5);
    }

    [Fact]
    public void Tables_without_end_are_damage()
    {
        JpegIntegrity.Check(JpegFile.Baseline(8 * JpegIntegrity.MostScans));
        Assert.Contains("Huffman tables", Refusal(JpegFile.Baseline((8 * JpegIntegrity.MostScans) + 1)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_check_ends_in_the_midst_of_a_scan_when_it_is_cancelled()
    {
        byte[] file = JpegFile.Progressive(1024, JpegIntegrity.MostScans);
        using CancellationTokenSource source = new(TimeSpan.FromMilliseconds(5));
        Stopwatch watch = Stopwatch.StartNew();
        Assert.Throws<OperationCanceledException>(() =>
        {
            // However fast the machine: it is checked over and over.
            while (watch.Elapsed < TimeSpan.FromMinutes(1))
            {
                JpegIntegrity.Check(file, source.Token);
            }
        });
        Assert.Throws<OperationCanceledException>(() => JpegIntegrity.Check(file, new CancellationToken(canceled: true)));
    }

    [Fact]
    public void Every_truncation_is_an_error()
    {
        byte[] file = JpegFile.Progressive(128, 3);
        for (int length = 2; length < file.Length; length++)
        {
            Refusal(file[..length]);
        }
    }

    [Theory]
    [InlineData(new byte[] { 0xFF, 0xD8, 0xFF, 0xD9 }, "Whole@2")]
    [InlineData(new byte[] { 0xFF, 0xD8, 0xFF, 0xFF, 0xFF, 0xE1, 0, 3, 7, 0xFF, 0x01, 0xFF, 0xD9 }, "E1+1 Whole@11")]
    [InlineData(new byte[] { 0xFF, 0xD8, 0xFF, 0xE0, 0, 2, 1, 2 }, "E0+0 NoMarker@6")]
    [InlineData(new byte[] { 0xFF, 0xD8, 0xFF, 0x00 }, "NoMarker@2")]
    [InlineData(new byte[] { 0xFF, 0xD8, 0xFF, 0xE0, 0, 1, 0xFF, 0xD9 }, "Cut@2")]
    [InlineData(new byte[] { 0xFF, 0xD8, 0xFF, 0xE0, 0, 5, 1, 2 }, "Cut@2")]
    [InlineData(new byte[] { 0xFF, 0xD8, 0xFF }, "Cut@2")]
    public void Segments_are_walked_up_to_what_is_wrong(byte[] file, string expected)
    {
        List<string> walked = [];
        JpegSegments segments = new(file);
        while (segments.MoveNext())
        {
            walked.Add($"{segments.Marker:X2}+{segments.Content.Length}");
        }

        Assert.Equal(expected, string.Join(' ', [.. walked, $"{segments.End}@{segments.Position}"]));
    }
}
