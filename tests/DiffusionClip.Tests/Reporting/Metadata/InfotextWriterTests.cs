using DiffusionClip.Imaging.Png;

namespace DiffusionClip.Reporting.Metadata;

public sealed class InfotextWriterTests
{
    [Fact]
    public void Keys_stand_in_A1111s_order()
    {
        string text = InfotextWriter.For(PictureRecords.For("a fox", "a dog"), PictureRecords.Sampler).ToString();
        Assert.Equal(
            "a fox\nNegative prompt: a dog\n"
                + "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.1, Seed: 6, Size: 128x96, Model hash: aaaaaaaaaa, Model: emoji-sd, RNG: CPU, "
                + "Score: 0.289123, Score model: emoji-clip, Version: DiffusionClip 0.1.0",
            text);
    }

    [Fact]
    public void Other_readers_see_what_ran()
    {
        PictureMetadata read = PictureMetadataFormats.Read([
            new(
                "parameters",
                InfotextWriter.For(PictureRecords.For("a fox", seed: ulong.MaxValue - 1), PictureRecords.Sampler).ToString()),
        ]);
        Assert.Equal(
            ("a1111", "a fox", null, 20, "DPM++ 2M", "Karras"),
            (read.Format, read.Prompt, read.NegativePrompt, read.Steps, read.Sampler, read.Scheduler));
        Assert.Equal(
            (7.1, "18446744073709551615", 128, 96, "emoji-sd", "CPU"),
            (read.CfgScale, read.Seed, read.Width, read.Height, read.Model, read.Rng));
        Assert.Equal("0.289123", read.Extras!["Score"]);
    }

    [Fact]
    public void A_score_joins_the_parameters_of_a_picture_of_another_program()
    {
        const string Text = "a fox\nNegative prompt: x\nSteps: 20, Sampler: Euler a, Seed: 5, Note: \"é, ü\"";
        byte[] file = PngTextWriter.SetTexts(PngTextTests.Picture(), [new("parameters", Text), new("Software", "me")]);
        byte[] scored = PictureScoreWriter.Write(file, Score(0.25));
        byte[] again = PictureScoreWriter.Write(scored, Score(-0.125));
        PictureInspection inspection = PictureMetadataReader.Read(again);
        Assert.Equal(-0.125, inspection.Score!.Score);
        Assert.Equal("models/emoji-clip", inspection.Score.Scoring.Model);
        Assert.Equal($"{Text}, Score: -0.125, Score model: emoji-clip", inspection.Texts.Single(text => text.Keyword == "parameters").Text);
        Assert.Equal("me", inspection.Texts.Single(text => text.Keyword == "Software").Text);
        Assert.EndsWith(Convert.ToHexString(PngTextTests.Picture()[33..]), Convert.ToHexString(again), StringComparison.Ordinal);
        Assert.Equal(3, inspection.Texts.Count);
    }

    [Theory]
    [InlineData("""{"sui_image_params":{"prompt":"x: 1, y2: 2, z2: 3, w2: 4"}}""")]
    [InlineData("only a prompt")]
    [InlineData(null)]
    public void A_score_leaves_other_texts_alone(string? parameters)
    {
        byte[] file = parameters is null
            ? PngTextTests.Picture()
            : PngTextWriter.SetTexts(PngTextTests.Picture(), [new("parameters", parameters)]);
        PictureInspection inspection = PictureMetadataReader.Read(PictureScoreWriter.Write(file, Score(0.5)));
        Assert.Equal(0.5, inspection.Score!.Score);
        Assert.Equal(parameters, inspection.Texts.SingleOrDefault(text => text.Keyword == "parameters")?.Text);
    }

    [Fact]
    public void A_score_leaves_our_record_as_it_is()
    {
        byte[] file = PngTextWriter.SetTexts(
            PngTextTests.Picture(),
            InfotextWriter.Texts(PictureRecords.For("a fox"), PictureRecords.Sampler));
        PictureInspection inspection = PictureMetadataReader.Read(PictureScoreWriter.Write(file, Score(0.5)));
        Assert.Equal(PictureRecords.For("a fox").Candidate.Score, inspection.Record!.Candidate.Score);
        Assert.Equal(0.5, inspection.Score!.Score);
        Assert.Equal("0.5", inspection.Foreign!.Extras!["Score"]);
    }

    private static PictureScore Score(double score) => new()
    {
        Software = "DiffusionClip 0.1.0",
        Score = score,
        Scoring = new() { Scorer = "clip", Version = "1", Scale = ScoreScale.Cosine, Model = "models/emoji-clip", Text = "a fox\n" },
    };
}
