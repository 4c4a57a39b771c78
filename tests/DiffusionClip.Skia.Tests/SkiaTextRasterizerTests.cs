using DiffusionClip.Imaging;
using DiffusionClip.Reporting;

namespace DiffusionClip.Skia;

public sealed class SkiaTextRasterizerTests : IDisposable
{
    private readonly SkiaTextRasterizer _text = new();

    public void Dispose() => _text.Dispose();

    [Fact]
    public void Text_is_drawn_within_its_mask()
    {
        TextMask mask = _text.Rasterize("Ägypten #1 0.2871", 15, bold: true);
        Assert.Equal(mask.Width * mask.Height, mask.Coverage.Length);
        Assert.InRange(mask.Width, _text.Measure("Ägypten #1 0.2871", 15, true), 400);
        Assert.InRange(mask.Coverage.ToArray().Max(), 200, 255);

        // Nothing touches the edge: letters with accents and tails are whole.
        Assert.All(
            Enumerable.Range(0, mask.Width),
            x => Assert.Equal(0, mask.Coverage.Span[x] + mask.Coverage.Span[((mask.Height - 1) * mask.Width) + x]));
    }

    [Fact]
    public void What_the_typeface_lacks_is_a_box()
    {
        TextMask box = _text.Rasterize("日", 20, false);
        Assert.Equal(box.Coverage.ToArray(), _text.Rasterize("本", 20, false).Coverage.ToArray());
        Assert.NotEqual(_text.Rasterize("a", 20, false).Coverage.ToArray(), _text.Rasterize("б", 20, false).Coverage.ToArray());
        Assert.Contains(box.Coverage.ToArray(), value => value > 100);
        Assert.Equal(_text.Measure("日", 20, false), _text.Measure("🦊", 20, false));
    }

    [Fact]
    public void Bold_is_wider_and_nothing_is_nothing()
    {
        Assert.True(_text.Measure("candidates", 18, true) > _text.Measure("candidates", 18, false));
        Assert.Equal(0, _text.Measure("", 18, true));
        Assert.Equal(0, _text.Rasterize("", 18, false).Width);
    }

    [Fact]
    public void A_sheet_is_composed_and_comes_back_from_png()
    {
        ContactSheetCell[] cells = [.. Enumerable.Range(0, 5).Select(i => new ContactSheetCell(
            new CandidateReport { Index = i, Seed = (ulong)i, Rank = i + 1, Score = 0.3 - (i * 0.01) }, TestFiles.Smooth(128, 96)))];
        RgbImage sheet = ContactSheet.Compose("a fox and a purple umbrella", null, cells, _text);
        SkiaImageCodec codec = new();
        Assert.Equal(sheet.Pixels.ToArray(), codec.Decode(codec.EncodePng(sheet), ImageLimits.Default).Pixels.ToArray());

        // Dark letters on a light ground, in the header and under the pictures.
        Assert.Contains(Enumerable.Range(0, sheet.Width * 40), i => sheet.Pixels.Span[3 * i] < 60);
    }
}
