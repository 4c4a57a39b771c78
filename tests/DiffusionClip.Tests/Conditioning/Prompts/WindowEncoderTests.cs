using CsCheck;
using DiffusionClip.Runtime;

namespace DiffusionClip.Conditioning.Prompts;

public sealed class WindowEncoderTests
{
    private const int Limit = 77;

    [Fact]
    public void A_window_without_weights_is_what_the_encoder_gave()
    {
        var fake = new FakeEncoder();
        EncodedWindows encoded = Encode(fake, "(a:1.0) cat");
        Assert.True(encoded.HiddenStates.Span == fake.Last.LastHiddenState.Span, "the hidden states were copied");
        Assert.Equal(Limit, encoded.SequenceLength);
        Assert.Equal(fake.Last.Pooled, encoded.Pooled);
    }

    [Fact]
    public void Windows_stand_one_after_the_other_and_are_encoded_once()
    {
        var fake = new FakeEncoder();
        EncodedWindows encoded = Encode(fake, "a cat BREAK a dog BREAK a cat");
        Assert.Equal(2, fake.Calls);
        Assert.Equal(3 * Limit, encoded.SequenceLength);
        float[] cat = Encode(fake, "a cat").HiddenStates.ToArray();
        float[] dog = Encode(fake, "a dog").HiddenStates.ToArray();
        Assert.Equal([.. cat, .. dog, .. cat], encoded.HiddenStates.ToArray());
        Assert.Equal(FakeEncoder.Pool(PromptWindowsTests.Tokenizer.Tokenize("a cat", Limit).Ids.Span), encoded.Pooled.ToArray());
    }

    [Fact]
    public void Weights_keep_the_mean_of_each_window() =>
        Gen.Select(Gen.Double[0.1, 2], Gen.Double[0.1, 2])
            .Sample(
                (first, second) =>
                {
                    PromptWindows weighted = PromptWindows.Of(
                        PromptWindowsTests.Tokenizer,
                        Limit,
                        [new("a cat", first), new(" and a dog", second)]);
                    PromptWindows plain = PromptWindows.Of(PromptWindowsTests.Tokenizer, Limit, [new("a cat", 1), new(" and a dog", 1)]);
                    var fake = new FakeEncoder();
                    float[] actual = new WindowEncoder(fake).Encode(weighted, default).HiddenStates.ToArray();
                    float[] before = new WindowEncoder(fake).Encode(plain, default).HiddenStates.ToArray();
                    Assert.Equal(before.Average(), actual.Average(), 1e-5);

            // Every value is its old one times its token's weight, up to one common factor.
            ReadOnlySpan<double> weights = weighted.Windows[0].Weights.Span;
            double factor = actual[0] / before[0];
            for (int i = 0; i < actual.Length; i++)
            {
                Assert.Equal(before[i] * weights[i / FakeEncoder.Width] * factor, actual[i], 1e-4);
            }
        },
        iter: 50);

    [Fact]
    public void Weights_of_nothing_leave_nothing_that_is_not_finite()
    {
        double[] weights = new double[2];
        float[] hidden = [1, 2, 3, 4];
        Assert.Equal([0, 0, 0, 0], WindowEncoder.Weigh(new PromptWindow(new int[2], weights, 0), hidden).ToArray());
    }

    private static EncodedWindows Encode(FakeEncoder fake, string prompt) =>
        new WindowEncoder(fake).Encode(PromptWindows.Of(PromptWindowsTests.Tokenizer, Limit, PromptEmphasis.Parse(prompt)), default);
}

/// <summary>Hidden states that say which token stands where.</summary>
internal sealed class FakeEncoder : ITextEncoder
{
    public const int Width = 3;

    public int Calls { get; private set; }

    public TextEncoding Last { get; private set; } = null!;

    public int HiddenSize => Width;

    public static float[] Pool(ReadOnlySpan<int> ids)
    {
        float sum = 0;
        foreach (int id in ids)
        {
            sum += id;
        }

        return [sum, ids[1]];
    }

    public TextEncoding Encode(ReadOnlySpan<int> ids, CancellationToken cancellationToken)
    {
        Calls++;
        float[] hidden = new float[ids.Length * Width];
        for (int i = 0; i < hidden.Length; i++)
        {
            hidden[i] = 1 + ((ids[i / Width] % 17) * 0.1f) + (i % Width) + (i / Width * 0.01f);
        }

        return Last = new TextEncoding(hidden, Pool(ids), []);
    }

    public void Dispose()
    {
    }
}
