using System.Globalization;
using DiffusionClip.Imaging.Resampling;

namespace DiffusionClip.Reporting;

/// <summary>One candidate on a contact sheet.</summary>
/// <param name="Candidate">Its entry in the report: rank, seed, score, failure.</param>
/// <param name="Image">Its picture; null if it has none.</param>
public sealed record ContactSheetCell(CandidateReport Candidate, RgbImage? Image);

/// <summary>
/// One picture of all candidates of a run: a grid, best first, with rank, score and seed under each, those that failed marked as failed,
/// and the prompt above.
/// </summary>
public static class ContactSheet
{
    private const int Margin = 20;
    private const int Gap = 16;
    private const int LabelHeight = 44;
    private const int FrameThickness = 3;
    private const int NarrowestSheet = 420;
    private const int HeaderLines = 3;
    private const float HeaderSize = 18;
    private const float LabelSize = 15;
    private const float SmallSize = 12.5f;
    private const float SmallestSize = 9.5f;

    private static readonly Rgb Background = new(250, 250, 250);
    private static readonly Rgb Ink = new(28, 30, 34);
    private static readonly Rgb Muted = new(104, 108, 116);
    private static readonly Rgb Accent = new(20, 110, 90);
    private static readonly Rgb Alarm = new(176, 36, 36);
    private static readonly Rgb Empty = new(234, 234, 236);

    /// <summary>Composes the sheet of a run; model, settings and scorer stand under the prompt.</summary>
    /// <param name="ranked">The run.</param>
    /// <param name="text">Draws the text.</param>
    public static RgbImage Compose(RankedImages ranked, ITextRasterizer text)
    {
        ArgumentNullException.ThrowIfNull(ranked);
        Dictionary<int, RgbImage> images = ranked.Images.ToDictionary(image => image.Candidate.Index, image => image.Image);
        return Compose(
            ranked.Report.Request.Prompt.Text,
            Subtitle(ranked.Report),
            [.. ranked.Report.Candidates.Select(candidate => new ContactSheetCell(candidate, images.GetValueOrDefault(candidate.Index)))],
            text);
    }

    /// <summary>Composes a sheet.</summary>
    /// <param name="prompt">The prompt; wrapped to three lines, the rest cut with an ellipsis.</param>
    /// <param name="subtitle">One line under the prompt, e.g. model and scorer; null for the number of candidates.</param>
    /// <param name="cells">
    /// The candidates in any order; at least one. Ranked ones come first, then unranked ones, then failures, by index.
    /// </param>
    /// <param name="text">Draws the text.</param>
    /// <returns>
    /// A picture of a few hundred to a few thousand pixels a side: large candidates are scaled down, small ones up by a whole factor.
    /// </returns>
    public static RgbImage Compose(string prompt, string? subtitle, IReadOnlyList<ContactSheetCell> cells, ITextRasterizer text)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(cells);
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfZero(cells.Count, nameof(cells));

        ContactSheetCell[] ordered =
        [
            .. cells.OrderBy(cell => cell.Image is null || cell.Candidate.Failure is not null)
                .ThenBy(cell => cell.Candidate.Rank ?? int.MaxValue)
                .ThenBy(cell => cell.Candidate.Index),
        ];
        int side = ordered.Length <= 48 ? 256 : ordered.Length <= 150 ? 192 : 128;
        (int Width, int Height)[] sizes = [.. ordered.Select(cell => Scaled(cell.Image, side))];
        int boxWidth = Math.Max(sizes.Max(size => size.Width), side / 2), boxHeight = Math.Max(sizes.Max(size => size.Height), side / 4);
        int columns = Columns(ordered.Length, boxWidth + Gap, boxHeight + LabelHeight + Gap);
        int rows = (ordered.Length + columns - 1) / columns;

        int gridWidth = (columns * (boxWidth + Gap)) - Gap;
        int width = Math.Max(gridWidth + (2 * Margin), NarrowestSheet);
        int left = (width - gridWidth) / 2;
        string[] header = Wrap(TextLine.Clean(prompt), HeaderSize, true, width - (2 * Margin), HeaderLines, text);
        int lineHeight = (int)(HeaderSize * 1.35f);
        int gridTop = Margin + (header.Length * lineHeight) + 22 + Gap;
        RgbCanvas canvas = new(width, gridTop + (rows * (boxHeight + LabelHeight + Gap)) - Gap + Margin, Background);

        int baseline = Margin + (int)HeaderSize - 3;
        foreach (string line in header)
        {
            Write(canvas, text, line, Margin, baseline, HeaderSize, true, Ink);
            baseline += lineHeight;
        }

        string count =
            ordered.Length == 1 ? "1 candidate" : string.Create(CultureInfo.InvariantCulture, $"{ordered.Length} candidates, best first");
        Write(
            canvas,
            text,
            Fit(TextLine.Clean(subtitle ?? count), SmallSize, false, width - (2 * Margin), text),
            Margin,
            baseline,
            SmallSize,
            false,
            Muted);

        for (int i = 0; i < ordered.Length; i++)
        {
            int x = left + (i % columns * (boxWidth + Gap)), y = gridTop + (i / columns * (boxHeight + LabelHeight + Gap));
            DrawCell(canvas, text, ordered[i], sizes[i], x, y, boxWidth, boxHeight);
        }

        return canvas.ToImage();
    }

    private static string Subtitle(RunReport report)
    {
        SamplingRequest sampling = report.Request.Sampling;
        string settings = string.Create(
            CultureInfo.InvariantCulture,
            $"{report.Request.Model.Id}, {sampling.NumInferenceSteps} steps, guidance {sampling.GuidanceScale}");
        string[] scorers =
        [
            .. report.Scorers.Select(entry => entry.Record).OfType<ScoreRecord>().Select(record => record.Model ?? record.Scorer),
        ];
        string scorer = scorers.Length > 0 ? $"scored by {string.Join(", ", scorers)}" : "not scored";
        return string.Create(CultureInfo.InvariantCulture, $"{settings}, {scorer}; {report.Candidates.Count} candidates");
    }

    private static void DrawCell(
        RgbCanvas canvas,
        ITextRasterizer text,
        ContactSheetCell cell,
        (int Width, int Height) size,
        int x,
        int y,
        int boxWidth,
        int boxHeight)
    {
        CandidateReport candidate = cell.Candidate;
        bool failed = cell.Image is null || candidate.Failure is not null;
        if (cell.Image is { } image)
        {
            // Pictures stand on the label, so that differing heights share a line.
            RgbImage scaled = Resampler.Resize(
                image,
                size.Width,
                size.Height,
                size.Width > image.Width ? ResamplingFilter.Bicubic : ResamplingFilter.Lanczos);
            int start = x + ((boxWidth - size.Width) / 2),
                top = y + boxHeight - size.Height;
            canvas.Draw(scaled, start, top);
            if (failed)
            {
                canvas.Frame(start, top, size.Width, size.Height, FrameThickness, Alarm);
            }
            else if (candidate.Rank == 1)
            {
                canvas.Frame(start, top, size.Width, size.Height, FrameThickness, Accent);
            }
        }
        else
        {
            canvas.Fill(x, y, boxWidth, boxHeight, Empty);
            string[] reason = Wrap(
                TextLine.Clean(candidate.Failure ?? "no picture"),
                SmallSize,
                false,
                boxWidth - 16,
                Math.Max(1, (boxHeight - 16) / 17),
                text);
            int line = y + ((boxHeight - (17 * reason.Length)) / 2) + 13;
            foreach (string part in reason)
            {
                Write(canvas, text, part, x + ((boxWidth - (int)text.Measure(part, SmallSize, false)) / 2), line, SmallSize, false, Muted);
                line += 17;
            }
        }

        int first = y + boxHeight + 19,
            second = first + 18;
        string rank =
            failed ? "failed"
            : candidate.Rank is { } number ? string.Create(CultureInfo.InvariantCulture, $"#{number}")
            : "not ranked";
        Write(
            canvas,
            text,
            rank,
            x,
            first,
            LabelSize,
            true,
            failed ? Alarm
                : candidate.Rank == 1 ? Accent
                : Ink);
        if (!failed && candidate.Score is { } score)
        {
            string value = score.ToString(Math.Abs(score) < 10 ? "0.0000" : "0.00", CultureInfo.InvariantCulture);
            Write(
                canvas,
                text,
                value,
                x + boxWidth - (int)MathF.Ceiling(text.Measure(value, LabelSize, false)),
                first,
                LabelSize,
                false,
                Ink);
        }

        if (failed && cell.Image is not null && candidate.Failure is { } failure)
        {
            int indent = (int)text.Measure(rank, LabelSize, true) + 8;
            Write(
                canvas,
                text,
                Fit(TextLine.Clean(failure), SmallSize, false, boxWidth - indent, text),
                x + indent,
                first,
                SmallSize,
                false,
                Muted);
        }

        string seed = candidate.Seed is { } root ? string.Create(CultureInfo.InvariantCulture, $"seed {root}") : "no seed";
        if (candidate.Lineage.Count > 0)
        {
            seed += string.Create(CultureInfo.InvariantCulture, $", fork {string.Join('.', candidate.Lineage)}");
        }

        // The last digits of a long seed tell neighbours apart: it shrinks before it is cut.
        float seedSize = SmallSize;
        while (seedSize > SmallestSize && text.Measure(seed, seedSize, false) > boxWidth)
        {
            seed = seed.Replace("seed ", "", StringComparison.Ordinal);
            seedSize -= 0.5f;
        }

        string seedLine = Fit(seed, seedSize, false, boxWidth, text);
        Write(canvas, text, seedLine, x, second, seedSize, false, Muted);

        // Of several scorers the raw scores in their order, where the seed leaves room.
        int left = (int)text.Measure(seedLine, seedSize, false) + 10;
        if (!failed && candidate.Scores.Count > 1 && boxWidth - left > 24)
        {
            string raw = string.Join(
                " / ",
                candidate.Scores.Select(scored => scored.Score?.ToString("0.000", CultureInfo.InvariantCulture) ?? "none"));
            string fitted = Fit(raw, SmallestSize, false, boxWidth - left, text);
            Write(
                canvas,
                text,
                fitted,
                x + boxWidth - (int)MathF.Ceiling(text.Measure(fitted, SmallestSize, false)),
                second,
                SmallestSize,
                false,
                Muted);
        }
    }

    private static (int Width, int Height) Scaled(RgbImage? image, int side)
    {
        if (image is null)
        {
            return (0, 0);
        }

        int longer = Math.Max(image.Width, image.Height);
        if (longer <= side)
        {
            int factor = side / longer;
            return (image.Width * factor, image.Height * factor);
        }

        return (Math.Max(1, (int)((long)image.Width * side / longer)), Math.Max(1, (int)((long)image.Height * side / longer)));
    }

    // A sheet about half again as wide as high, with few empty places in its last row.
    private static int Columns(int count, int cellWidth, int cellHeight)
    {
        int most = Math.Min(count, count <= 48 ? 8 : count <= 150 ? 12 : 20);
        int best = 1;
        double least = double.MaxValue;
        for (int columns = 1; columns <= most; columns++)
        {
            int rows = (count + columns - 1) / columns;
            double shape = Math.Abs(Math.Log((double)columns * cellWidth / (1.5 * rows * cellHeight)));
            double cost = shape + (((rows * columns) - count) / (double)count);
            if (cost < least)
            {
                (best, least) = (columns, cost);
            }
        }

        return best;
    }

    private static void Write(
        RgbCanvas canvas,
        ITextRasterizer text,
        string line,
        int x,
        int baseline,
        float size,
        bool bold,
        Rgb colour) => canvas.Draw(text.Rasterize(line, size, bold), x, baseline, colour);

    private static string Fit(string line, float size, bool bold, int width, ITextRasterizer text)
    {
        if (text.Measure(line, size, bold) <= width)
        {
            return line;
        }

        int low = 0, high = line.Length;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (text.Measure(TextLine.Cut(line, middle), size, bold) <= width)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return TextLine.Cut(line, low);
    }

    private static string[] Wrap(string line, float size, bool bold, int width, int most, ITextRasterizer text)
    {
        // A prompt of a megabyte is not measured to its end: no sheet shows this much of it.
        line = line.Length > 4000 ? TextLine.Cut(line, 4000) : line;
        List<string> lines = [];
        while (line.Length > 0)
        {
            if (lines.Count == most - 1 || text.Measure(line, size, bold) <= width)
            {
                lines.Add(Fit(line, size, bold, width, text));
                break;
            }

            int end = LineEnd(line, size, bold, width, text);
            lines.Add(line[..end].TrimEnd());
            line = line[end..].TrimStart();
        }

        return [.. lines];
    }

    private static int LineEnd(string line, float size, bool bold, int width, ITextRasterizer text)
    {
        int low = 1, high = line.Length;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (text.Measure(line[..middle], size, bold) <= width)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        int space = low < line.Length && line[low] == ' ' ? low : line.LastIndexOf(' ', low - 1);
        int end = space > 0 ? space : low;
        return end > 1 && end < line.Length && char.IsLowSurrogate(line[end]) ? end - 1 : end;
    }
}
