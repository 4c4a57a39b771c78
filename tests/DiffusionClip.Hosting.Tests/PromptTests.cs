using System.Numerics.Tensors;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Scoring;
using DiffusionClip.Tokenization;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Hosting;

public sealed class PromptTests(TestHost host) : IClassFixture<TestHost>
{
    private static readonly string Long = string.Concat(Enumerable.Repeat("a red apple on a blue background, ", 20));

    [Theory]
    [InlineData("[a cat:a dog:0]", "a dog", true)]
    [InlineData("[a cat:a dog:4]", "a cat", true)]
    [InlineData("[a cat:a dog:0.5]", "a cat", false)]
    [InlineData("[a cat:a dog:0.5]", "a dog", false)]
    [InlineData("(a dog:1.0)", "a dog", true)]
    [InlineData("(a dog:1.4)", "a dog", false)]
    [InlineData("a (dog:1.4)", "a dog", false)]
    [InlineData("a dog BREAK", "a dog", true)]
    [InlineData("a dog BREAK a dog", "a dog", false)]
    [InlineData("a dog<lora:x:1>", "a dog", true)]
    [InlineData("[a dog|a dog]", "a dog", true)]
    public async Task Syntax_does_what_it_says(string prompt, string words, bool same)
    {
        RankedImages first = await PaintAsync(prompt), second = await PaintAsync(words);
        Assert.Equal(same, first.Best!.Image.Pixels.Span.SequenceEqual(second.Best!.Image.Pixels.Span));
    }

    [Fact]
    public async Task Steps_of_two_evaluations_see_one_text()
    {
        RankedImages edited = await PaintAsync("[a cat:a dog:4]", scheduler: "heun"), plain = await PaintAsync("a cat", scheduler: "heun");
        Assert.True(edited.Best!.Image.Pixels.Span.SequenceEqual(plain.Best!.Image.Pixels.Span));
        edited = await PaintAsync("[a cat:a dog:3]", scheduler: "heun");
        Assert.False(edited.Best!.Image.Pixels.Span.SequenceEqual(plain.Best.Image.Pixels.Span));
    }

    [Fact]
    public async Task Long_prompts_reach_the_picture_whole()
    {
        RankedImages first = await PaintAsync(Long + "a cat"), second = await PaintAsync(Long + "a dog");
        Assert.False(first.Best!.Image.Pixels.Span.SequenceEqual(second.Best!.Image.Pixels.Span));
        TextReport prompt = first.Report.Texts[0], negative = first.Report.Texts[1];
        Assert.True(prompt.Windows > 1 && prompt.Tokens > 75);
        Assert.Equal(0, prompt.TokensDropped);
        Assert.Equal(1, negative.Windows);

        // The scorer reads the beginning; that is said.
        Assert.True(first.Report.Scoring!.TokensDropped > 0);
        Assert.Equal("truncate", first.Report.Scoring.LongText);
    }

    [Fact]
    public async Task What_is_not_supported_is_named_and_scored_nowhere()
    {
        RankedImages ranked = await PaintAsync("a dog <lora:fur:0.8>, embedding:good");
        Assert.Equal(2, ranked.Report.Warnings.Count(warning => warning.Contains("is not supported", StringComparison.Ordinal)));
        Assert.Equal("a dog ,", ranked.Report.Scoring!.Text);
    }

    [Fact]
    public void Syntax_and_long_text_are_concrete_in_a_normalized_request()
    {
        ImageRequest normalized = host.Pipeline.Prepare(ImageRequest.For("a (dog:1.2)")).Request;
        Assert.Equal(PromptSyntax.A1111, normalized.Prompt.Syntax);
        Assert.Equal(LongTextPolicy.Truncate, normalized.Search.LongText);
        Assert.Equal("a dog", normalized.Search.ScoreText);
        Assert.Equal(normalized, host.Pipeline.Prepare(normalized).Request);
        Assert.Equal(
            "a (dog:1.2)",
            host.Pipeline.Prepare(
                ImageRequest.For("a (dog:1.2)") with
                {
                    Prompt = new() { Text = "a (dog:1.2)", Syntax = PromptSyntax.Plain },
                }
            ).Request.Search.ScoreText);
    }

    [Fact]
    public async Task The_mean_of_windows_stands_for_a_long_text()
    {
        string text = Long + "a cat";
        using ClipScorer scorer = await ScorerAsync(LongTextPolicy.WindowsMean), truncating = await ScorerAsync(LongTextPolicy.Truncate);
        var tokenizer = ClipTokenizer.Load(scorer.Folder.TokenizerPath, TextNormalization.Scoring);
        PromptWindows windows = PromptWindows.Of(tokenizer, scorer.Folder.TokenLimit, [new(text, 1)]);
        Assert.True(windows.Windows.Count > 1);

        // Each window's words, scored alone, tokenize to the window's own ids, so their vectors can be taken from the other policy.
        float[] mean = new float[truncating.Embedder.EmbedText("", default).Embeds.Length];
        int at = 0;
        string[] phrases = [.. Enumerable.Repeat("a red apple on a blue background,", 20), "a cat"];
        foreach (PromptWindow window in windows.Windows)
        {
            var own = new List<string>();
            for (int tokens = 0; tokens < window.Count; at++)
            {
                own.Add(phrases[at]);
                tokens += tokenizer.EncodeWords(phrases[at], TextNormalization.Scoring).Length;
            }

            TextEmbedding alone = truncating.Embedder.EmbedText(string.Join(' ', own), default);
            Assert.Equal(window.Count, alone.Tokens);
            TensorPrimitives.Add(mean, alone.Embeds.Span, mean);
        }

        TensorPrimitives.Divide(mean, TensorPrimitives.Norm<float>(mean), mean);
        TextEmbedding actual = scorer.Embedder.EmbedText(text, default);
        Assert.Equal(phrases.Length, at);
        Assert.Equal(1f, TensorPrimitives.Dot<float>(mean, actual.Embeds.Span), 1e-5f);
        Assert.Equal(1f, TensorPrimitives.Norm(actual.Embeds.Span), 1e-5f);
        Assert.Equal(0, actual.TokensDropped);
        Assert.Equal("windows-mean", scorer.Record(text, actual).LongText);
        Assert.True(truncating.Embedder.EmbedText(text, default).TokensDropped > 0);

        // A text of one window is the same, but its scores are still kept apart.
        Assert.Equal(
            truncating.Embedder.EmbedText("a cat", default).Embeds.ToArray(),
            scorer.Embedder.EmbedText("a cat", default).Embeds.ToArray());
        Assert.NotNull(scorer.Record("a cat", actual).DifferenceFrom(truncating.Record("a cat", actual)));
    }

    [Fact]
    public async Task A_run_says_by_which_policy_it_scored()
    {
        RankedImages ranked = await host.Pipeline.GenerateAsync(
            Request(Long) with
            {
                Search = new() { Candidates = 1, LongText = LongTextPolicy.WindowsMean },
            });
        Assert.Equal("windows-mean", ranked.Report.Scoring!.LongText);
        Assert.Equal(0, ranked.Report.Scoring.TokensDropped);
        RankedImages other = await host.Pipeline.GenerateAsync(Request(Long));
        Assert.NotEqual(other.Best!.Score, ranked.Best!.Score);
        Assert.True(other.Best.Image.Pixels.Span.SequenceEqual(ranked.Best.Image.Pixels.Span));
    }

    private static ImageRequest Request(string prompt, string? scheduler = null) => ImageRequest.For(prompt) with
    {
        Sampling = new() { NumInferenceSteps = 4, Seed = 5, GuidanceScale = 3, Scheduler = scheduler },
        Search = new() { Candidates = 1 },
    };

    private Task<RankedImages> PaintAsync(string prompt, string? scheduler = null) =>
        host.Pipeline.GenerateAsync(Request(prompt, scheduler));

    private Task<ClipScorer> ScorerAsync(LongTextPolicy longText) =>
        host.Services.GetRequiredService<ScorerCatalog>().LeaseClipAsync("emoji-clip", "cpu", longText, CancellationToken.None);
}
