using System.Runtime.Intrinsics;
using System.Text.Json;
using DiffusionClip.Reporting.Metadata;

namespace DiffusionClip.Hosting;

/// <summary>Pictures and reports of schema version 1, as version 0.1.0 wrote them, are read and repeated.</summary>
public sealed class GoldenRecordTests(TestHost host) : IClassFixture<TestHost>
{
    private const string Text = "v1-text.png", Image = "v1-image.png";

    [Theory]
    [InlineData(Text)]
    [InlineData(Image)]
    public async Task Golden_picture_of_version_1_repeats(string name)
    {
        byte[] file = File.ReadAllBytes(Golden.PathOf("records", name));
        byte[] start = File.ReadAllBytes(Golden.PathOf("records", Text));
        PictureRecord record = PictureMetadataReader.Read(file).Record!;
        Assert.Equal(1, record.SchemaVersion);
        Assert.Equal("emoji-clip", record.Request.Search.Scorer);
        ImageRequest request = record.Request with
        {
            Sampling = record.Request.Sampling with { Seed = record.Candidate.Seed },
            Search = record.Request.Search with { Candidates = 1, Keep = 1 },
        };
        var images = new Dictionary<string, RgbImage>
        {
            [OriginRequest.NameOf(start)] = host.Codec.Decode(start, Imaging.ImageLimits.Default),
        };
        RankedImages again = await host.Pipeline.GenerateAsync(request, new RunControl { Plan = record.Plan }, images);
        Assert.Equal(2, again.Report.Request.SchemaVersion);
        Assert.Equal("emoji-clip", Assert.Single(again.Report.Request.Search.Scorers!).Id);
        Assert.Equal(record.Candidate.Score!.Value, again.Best!.Score!.Value, 4);

        // The bits are those of the machine that painted it: others sum in vectors of another width.
        int largest = TestHost.LargestDifference(host.Codec.Decode(file, Imaging.ImageLimits.Default), again.Best.Image);
        Assert.InRange(largest, 0, Vector512.IsHardwareAccelerated ? 0 : 2);
    }

    [Fact]
    public void Golden_report_of_version_1_is_read()
    {
        string json = File.ReadAllText(Golden.PathOf("records", "v1-report.json"));
        RunReport report = JsonSerializer.Deserialize<RunReport>(json, DiffusionClipJson.Compact)!;
        Assert.Equal(1, report.SchemaVersion);
        Assert.Equal(2, report.Candidates.Count);
        Assert.Equal(0.9085, report.Candidates[0].Score!.Value, 4);
        Assert.Empty(report.Scorers);
        Assert.Equal("emoji-clip", report.Scoring!.Model);
        Assert.Equal(1, report.Plan.PicturesPerScoring);
        ImageRequest prepared = host.Pipeline.Prepare(report.Request).Request;
        Assert.Equal(2, prepared.SchemaVersion);
        Assert.Equal(prepared, host.Pipeline.Prepare(prepared).Request);
    }
}
