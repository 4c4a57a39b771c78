using System.Globalization;
using System.Text.Json;
using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.Cli.Verbs;

public sealed class RankTests(GeneratedRunFixture run) : IClassFixture<GeneratedRunFixture>, IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    [Theory]
    [InlineData("rank", "")]
    [InlineData("rerank", "*.png")]
    [InlineData("rank", "../*/0?_*.png")]
    [InlineData("rank", "../**/0*.png")]
    public async Task Ranks_as_generate_did(string verb, string pattern)
    {
        CliResult result = await Cli.RunAsync(verb, GeneratedRunFixture.Prompt, Path.Combine(run.Folder, pattern), "--json", "--no-cache");
        result.AssertSuccess();
        using JsonDocument json = JsonDocument.Parse(result.Out);
        JsonElement[] images = [.. json.RootElement.GetProperty("images").EnumerateArray()];
        Assert.Equal(run.Files, images.Select(image => Path.GetFullPath(image.GetProperty("file").GetString()!)));
        for (int i = 0; i < images.Length; i++)
        {
            Assert.Equal(i + 1, images[i].GetProperty("rank").GetInt32());
            Assert.Equal(run.Report.Candidates[i].Score!.Value, images[i].GetProperty("score").GetDouble(), 1e-5);
        }

        Assert.Equal("emoji-clip", json.RootElement.GetProperty("scoring").GetProperty("model").GetString());
    }

    [Theory]
    [InlineData("truncate", true)]
    [InlineData("windows-mean", false)]
    public async Task Long_texts_are_cut_or_read_whole(string policy, bool isCut)
    {
        string text = string.Concat(Enumerable.Repeat("a red apple on a blue background, ", 20));
        CliResult result = (await Cli.RunAsync("rank", text, run.Files[0], "--json", "--no-cache", "--long-text", policy)).AssertSuccess();
        using JsonDocument json = JsonDocument.Parse(result.Out);
        JsonElement scoring = json.RootElement.GetProperty("scoring");
        Assert.Equal(policy, scoring.GetProperty("long_text").GetString());
        Assert.Equal(isCut, scoring.GetProperty("tokens_dropped").GetInt32() > 0);
        Assert.Equal(isCut, result.Complaints.Length == 1);
    }

    [Fact]
    public async Task A_policy_for_long_texts_that_does_not_exist() =>
        (await Cli.RunAsync("rank", "a cat", run.Files[0], "--long-text", "mean")).AssertRefused(
            ExitCodes.Usage,
            "long",
            "mean",
            "truncate, windows-mean");

    [Fact]
    public async Task The_order_of_the_arguments_and_doubles_do_not_matter()
    {
        CliResult forth = await Cli.RunAsync(["rank", "a cat", .. run.Files, "--no-cache"]);
        CliResult back = await Cli.RunAsync(["rank", "a cat", .. run.Files.Reverse(), run.Folder, run.Files[0], "--no-cache"]);
        forth.AssertSuccess();
        back.AssertSuccess();
        Assert.Equal(forth.Out, back.Out);
        Assert.Equal(1 + run.Files.Length, forth.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public async Task The_best_are_copied_with_their_rank_and_nothing_is_overwritten()
    {
        string best = _work["best"];
        for (int i = 0; i < 2; i++)
        {
            CliResult result = await Cli.RunAsync("rank", GeneratedRunFixture.Prompt, "--copy-top", "2", best, run.Folder, "--no-cache");
            result.AssertSuccess();
        }

        string first = $"01_{Path.GetFileNameWithoutExtension(run.Files[0])}",
            second = $"02_{Path.GetFileNameWithoutExtension(run.Files[1])}";
        Assert.Equal(
            [$"{first}-2.png", $"{first}.png", $"{second}-2.png", $"{second}.png"],
            Directory.GetFiles(best).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        Assert.Equal(File.ReadAllBytes(run.Files[0]), File.ReadAllBytes(Path.Combine(best, $"{first}.png")));
    }

    [Fact]
    public async Task Scores_are_written_beside_untouched_pixels()
    {
        string ours = _work["ours.png"], plain = _work["plain.png"], jpeg = _work["photo.jpg"];
        File.Copy(run.Files[0], ours);
        File.WriteAllBytes(plain, new Skia.SkiaImageCodec().EncodePng(Pictures.Decode(run.Files[1])));
        File.WriteAllBytes(jpeg, Pictures.Jpeg(run.Files[2]));
        byte[] jpegBefore = File.ReadAllBytes(jpeg);
        byte[][] pixelsBefore = [PixelChunks(ours), PixelChunks(plain)];

        CliResult result = await Cli.RunAsync("rank", "a cat", _work.Path, "--write-score", "--no-cache", "--json");
        result.AssertSuccess();
        Assert.Contains("photo.jpg", Assert.Single(result.Complaints), StringComparison.Ordinal);
        Assert.Equal(jpegBefore, File.ReadAllBytes(jpeg));
        Assert.Equal(pixelsBefore[0], PixelChunks(ours));
        Assert.Equal(pixelsBefore[1], PixelChunks(plain));
        using JsonDocument json = JsonDocument.Parse(result.Out);
        foreach (string file in new[] { ours, plain })
        {
            double score = json
                .RootElement.GetProperty("images")
                .EnumerateArray()
                .Single(image => image.GetProperty("file").GetString() == file)
                .GetProperty("score")
                .GetDouble();
            PictureInspection inspection = PictureMetadataReader.Read(File.ReadAllBytes(file));
            Assert.Equal(score, inspection.Score!.Score);
            Assert.Equal("a cat", inspection.Score.Scoring.Text);
            if (file == ours)
            {
                Assert.Equal(
                    score,
                    double.Parse(
                        Infotext.Parse(inspection.Texts.Single(text => text.Keyword == "parameters").Text)["Score"]!,
                        CultureInfo.InvariantCulture),
                    1e-6);
                Assert.Equal(run.Report.Candidates[0].Score, inspection.Record!.Candidate.Score);
            }
        }

        Assert.Equal(3, Directory.GetFileSystemEntries(_work.Path).Length);
    }

    [Fact]
    public async Task The_overview_is_no_candidate_unless_it_is_all_that_is_named()
    {
        CliResult among = await Cli.RunAsync(["rank", "a cat", .. Directory.GetFiles(run.Folder, "*.png"), "--no-cache"]);
        among.AssertSuccess();
        Assert.DoesNotContain("contact-sheet", among.Out, StringComparison.Ordinal);
        CliResult alone = await Cli.RunAsync("rank", "a cat", Path.Combine(run.Folder, "contact-sheet.png"), "--no-cache");
        alone.AssertSuccess();
        Assert.Contains("contact-sheet.png", alone.Out, StringComparison.Ordinal);
    }

    private static byte[] PixelChunks(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        using var pixels = new MemoryStream();
        for (int at = 8; at < file.Length;)
        {
            int length = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(at)) + 12;
            if (file.AsSpan(at + 4, 4).SequenceEqual("IDAT"u8) || file.AsSpan(at + 4, 4).SequenceEqual("IHDR"u8))
            {
                pixels.Write(file.AsSpan(at, length));
            }

            at += length;
        }

        return pixels.ToArray();
    }
}
