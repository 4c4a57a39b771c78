using System.Globalization;
using System.Text;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Png;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>
/// Reads what picture files say about how they were made. Our own record comes first; where it is absent, damaged or too
/// new, what other programs wrote is read, and a note says so. Never throws on what a file holds.
/// </summary>
public static class PictureMetadataReader
{
    private const string UserCommentKeyword = "UserComment";

    /// <summary>Reads a whole file in memory.</summary>
    /// <param name="file">The file.</param>
    public static PictureInspection Read(ReadOnlyMemory<byte> file)
    {
        PngTextContent png = PngTextReader.Read(file);
        return png.Readable ? Inspect(png) : InspectOther(file.Span);
    }

    /// <summary>
    /// Reads a file from a stream's beginning. A PNG file that can be sought is read with bounded memory, any other is held whole.
    /// </summary>
    /// <param name="stream">The file; left open.</param>
    /// <param name="limits">The largest file that is held whole; null: the default ones.</param>
    /// <exception cref="ImageFormatException">The file would have to be held whole and is beyond the limits.</exception>
    public static PictureInspection Read(Stream stream, ImageLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        long most = Math.Min((limits ?? ImageLimits.Default).MaxFileBytes, Array.MaxLength);
        if (stream.CanSeek)
        {
            long start = stream.Position;
            PngTextContent png = PngTextReader.Read(stream);
            if (png.Readable)
            {
                return Inspect(png);
            }

            stream.Position = start;
        }

        using var whole = new MemoryStream();
        byte[] block = new byte[64 << 10];
        for (int read; (read = stream.Read(block)) > 0;)
        {
            if (whole.Length + read > most)
            {
                throw new ImageFormatException(
                    string.Create(CultureInfo.InvariantCulture, $"The file is larger than the {most} bytes allowed."));
            }

            whole.Write(block, 0, read);
        }

        return Read(whole.GetBuffer().AsMemory(0, (int)whole.Length));
    }

    private static PictureInspection Inspect(PngTextContent png)
    {
        List<string> notes = [];
        foreach (PngText text in png.Texts)
        {
            if (text.TextIfUtf8 is not null)
            {
                notes.Add($"{text.Keyword}: holds UTF-8 in a chunk that should be Latin-1; read as UTF-8.");
            }
        }

        return Inspect([.. png.Texts.Select(text => new PictureText(text.Keyword, text.Meant))], notes) with
        {
            Readable = true,
            FileType = "png",
            Width = png.Width,
            Height = png.Height,
            Problems = png.Problems,
        };
    }

    private static PictureInspection InspectOther(ReadOnlySpan<byte> file)
    {
        ImageHeader header;
        try
        {
            // No pixels are allocated here, so that their number does not matter.
            header = ImageHeader.Read(file, new ImageLimits(long.MaxValue, long.MaxValue));
        }
        catch (ImageFormatException)
        {
            return Inspect([], ["The file is no picture of a kind that is known here."]) with
            {
                Problems = [new(PngTextProblemKind.NotPng, null, 0)],
            };
        }

        List<PictureText> texts = [];
        List<PngTextProblem> problems = [];
        ReadOnlySpan<byte> comment = Exif.ReadUserComment(file, out bool bigEndian), record = Exif.ReadRecord(file);
        if (!comment.IsEmpty && Fits(comment, "UserComment"))
        {
            texts.Add(new(UserCommentKeyword, ExifUserComment.Decode(comment, bigEndian)));
        }

        if (!record.IsEmpty && Fits(record, "MakerNote"))
        {
            texts.Add(new(PictureRecordJson.Keyword, Encoding.UTF8.GetString(record)));
        }

        return Inspect(texts, []) with
        {
            Readable = true,
            FileType = header.Format.ToString().ToLowerInvariant(),
            Width = header.Width,
            Height = header.Height,
            Problems = problems,
        };

        // A WebP's EXIF may be as large as the file.
        bool Fits(ReadOnlySpan<byte> text, string field)
        {
            bool fits = text.Length <= PngTextLimits.Default.MaxTextBytes;
            if (!fits)
            {
                problems.Add(new(PngTextProblemKind.TooLarge, field, 0));
            }

            return fits;
        }
    }

    private static PictureInspection Inspect(List<PictureText> texts, List<string> notes)
    {
        string? First(string keyword) => texts.Find(text => text.Keyword == keyword)?.Text;
        PictureRecord? record = null;
        if (First(PictureRecordJson.Keyword) is { } written)
        {
            record = PictureRecordJson.ReadRecord(written, out string? problem);
            if (problem is not null)
            {
                notes.Add(problem);
            }
        }

        PictureScore? score = null;
        if (First(PictureRecordJson.ScoreKeyword) is { } scored)
        {
            score = PictureRecordJson.ReadScore(scored, out string? problem);
            if (problem is not null)
            {
                notes.Add(problem);
            }
        }

        PictureMetadata foreign = PictureMetadataFormats.Read(texts.Select(text =>
            KeyValuePair.Create(text.Keyword == UserCommentKeyword ? "parameters" : text.Keyword, text.Text)));
        if (record is null)
        {
            notes.AddRange(foreign.Notes ?? []);
        }

        return new()
        {
            Readable = false,
            Metadata = (record is null ? foreign : Describe(record)) with { Notes = null },
            Record = record,
            Score = score,
            Foreign = record is not null && foreign.Format is not null ? foreign with { Notes = null } : null,
            Texts = texts,
            Problems = [],
            Notes = notes,
        };
    }

    /// <summary>Our record in the words of the record for all programs.</summary>
    private static PictureMetadata Describe(PictureRecord record)
    {
        ImageRequest request = record.Request;
        SamplingRequest sampling = request.Sampling;
        ModelReport? generator = record.Models.FirstOrDefault(model => model.Role == "generator");
        OrderedDictionary<string, string> extras = [];
        if (record.Candidate.Score is { } score)
        {
            extras["score"] = score.ToString("R", CultureInfo.InvariantCulture);
        }

        if (record.Candidate.Rank is { } rank)
        {
            extras["rank"] = rank.ToString(CultureInfo.InvariantCulture);
        }

        return new()
        {
            Format = "diffusionclip",
            Prompt = request.Prompt.Text,
            NegativePrompt = request.Prompt.Negative,
            Steps = sampling.NumInferenceSteps,
            Sampler = sampling.Scheduler,
            // By way of decimal digits: 7.5f is 7.5, and 0.1f is not 0.10000000149.
            CfgScale = sampling.GuidanceScale is { } scale
                ? double.Parse(scale.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)
                : null,
            Seed = record.Candidate.Seed.ToString(CultureInfo.InvariantCulture),
            Width = sampling.Width,
            Height = sampling.Height,
            Model = generator?.Id ?? request.Model.Id,
            ModelHash = generator?.Sha256,
            Rng = sampling.Noise?.ToString().ToLowerInvariant(),
            Version = record.Software,
            Extras = extras.Count == 0 ? null : extras,
        };
    }
}
