using System.Globalization;
using DiffusionClip.Imaging;

namespace DiffusionClip.Reporting;

public sealed class ContactSheetTests
{
    [Fact]
    public void Every_candidate_is_there_best_first_and_failures_last()
    {
        RecordingRasterizer text = new();
        ContactSheetCell[] cells =
        [
            Cell(0, 10, null, null, null),
            Cell(1, 11, 2, 0.25, Pictures.Flat(64, 64, 10, 200, 30)),
            Cell(2, ulong.MaxValue, 1, 0.5, Pictures.Flat(64, 64, 200, 10, 30)),
            new ContactSheetCell(
                new CandidateReport
                {
                    Index = 3,
                    Seed = 13,
                    Failure = "every pixel\nis black",
                },
                Pictures.Flat(64, 64, 0, 0, 0)),
        ];
        RgbImage sheet = ContactSheet.Compose("two\tcats", null, cells, text);
        Assert.Equal(
            [
                "two cats",
                "4 candidates, best first",
                "#1",
                "0.5000",
                "seed 18446744073709551615",
                "#2",
                "0.2500",
                "seed 11",
                "no picture",
                "failed",
                "seed 10",
                "failed",
                "every pixel is black",
                "seed 13",
            ],
            text.Lines);

        // The best stands first, framed, its pixels as they are.
        int red = IndexOf(sheet, 200, 10, 30), green = IndexOf(sheet, 10, 200, 30);
        Assert.InRange(red, 0, green - 1);
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 3, 900)]
    [InlineData(2, 900, 3)]
    [InlineData(5, 128, 128)]
    [InlineData(7, 64, 96)]
    [InlineData(49, 257, 255)]
    [InlineData(151, 40, 40)]
    [InlineData(700, 16, 16)]
    public void Any_number_and_size_fits(int count, int width, int height)
    {
        RgbImage image = Pictures.Noise(width, height);
        RgbImage sheet = ContactSheet.Compose(
            "a cat",
            "model",
            [.. Enumerable.Range(0, count).Select(i => Cell(i, (ulong)i, count - i, i, image))],
            new RecordingRasterizer());
        Assert.InRange(sheet.Width, 100, 4000);
        Assert.InRange(sheet.Height, 100, 8000);
    }

    [Fact]
    public void A_prompt_without_end_is_cut_and_lone_surrogates_do_no_harm()
    {
        RecordingRasterizer text = new();
        string prompt = "\uD800 word \uDC00" + string.Concat(Enumerable.Repeat("🦊 and umbrella ", 70_000));
        ContactSheet.Compose(prompt, prompt, [Cell(0, 1, 1, 0.1, Pictures.Noise(8, 8))], text);
        Assert.Equal(3, text.Lines.Take(3).Count(line => line.Length < 200));
        Assert.EndsWith("…", text.Lines[2], StringComparison.Ordinal);
        Assert.All(text.Lines, line => Assert.True(text.Measure(line, 18, true) <= 4000));
        Assert.All(text.Lines, line => Assert.DoesNotContain(line, c => char.IsSurrogate(c) && c is '\uD800'));
    }

    [Fact]
    public void Cultures_change_nothing()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        RecordingRasterizer text = new();
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo("de-DE");
            ContactSheet.Compose("", null, [Cell(0, 1, 1, -0.25, Pictures.Noise(8, 8)), Cell(1, 2, 2, 1234.5, Pictures.Noise(8, 8))], text);
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }

        Assert.Contains("-0.2500", text.Lines);
        Assert.Contains("1234.50", text.Lines);
    }

    [Fact]
    public void An_empty_sheet_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => ContactSheet.Compose("a", null, [], new RecordingRasterizer()));

    private static ContactSheetCell Cell(int index, ulong seed, int? rank, double? score, RgbImage? image) =>
        new(new CandidateReport { Index = index, Seed = seed, Rank = rank, Score = score }, image);

    private static int IndexOf(RgbImage image, byte red, byte green, byte blue) =>
        image.Pixels.Span.IndexOf([red, green, blue, red, green, blue]);

    private sealed class RecordingRasterizer : ITextRasterizer
    {
        public List<string> Lines { get; } = [];

        public float Measure(string text, float size, bool bold) => text.Length * size * 0.6f;

        public TextMask Rasterize(string text, float size, bool bold)
        {
            Lines.Add(text);
            int width = (int)Measure(text, size, bold), height = (int)size;
            byte[] coverage = new byte[width * height];
            coverage.AsSpan().Fill(128);
            return new TextMask(width, height, height - 2, coverage);
        }
    }
}
