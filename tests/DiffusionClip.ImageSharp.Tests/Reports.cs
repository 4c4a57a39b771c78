using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.ImageSharp;

/// <summary>Results for tests, made of a record.</summary>
internal static class Reports
{
    /// <summary>A picture without two rows, columns or channels alike, smooth enough for a lossy codec.</summary>
    public static RgbImage Picture(int width = 48, int height = 32)
    {
        byte[] pixels = new byte[3 * width * height];
        for (int i = 0; i < width * height; i++)
        {
            (int x, int y) = (i % width, i / width);
            pixels[3 * i] = (byte)(x * 255 / width);
            pixels[(3 * i) + 1] = (byte)(y * 255 / height);
            pixels[(3 * i) + 2] = (byte)((x + y) * 255 / (width + height));
        }

        return new RgbImage(width, height, pixels);
    }

    /// <summary>A run that gave one picture.</summary>
    public static (RankedImage Image, RunReport Report) Of(string prompt, OutputRequest output, string negative = "")
    {
        PictureRecord record = PictureRecords.For(prompt, negative);
        var report = new RunReport
        {
            Software = record.Software,
            Request = record.Request with { Output = output },
            Plan = record.Plan,
            Scheduler = PictureRecords.Sampler,
            Models = record.Models,
            Texts = [],
            Stages = [],
            Candidates = [record.Candidate],
            Scoring = record.Scoring,
            StartedAt = DateTimeOffset.UnixEpoch,
            Seconds = 1,
        };
        return (new RankedImage { Candidate = record.Candidate, Image = Picture() }, report);
    }
}
