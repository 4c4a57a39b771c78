using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

public sealed class TextEncoderTests
{
    [Theory]
    [InlineData("sd1-tiny-random", 0, 32, 32, 4)]
    [InlineData("sd1-tiny-random-int64", 0, 32, 32, 4)]
    [InlineData("sd1-tiny-random-older", 0, 32, 32, 0)]
    [InlineData("sd1-tiny-random-fp16", 0, 32, 32, 4)]
    [InlineData("sd2-tiny-random", 0, 48, 48, 4)]
    [InlineData("sdxl-tiny-random", 0, 32, 32, 4)]
    [InlineData("sdxl-tiny-random", 1, 48, 24, 4)]
    public void Every_layout_is_mapped_and_runs(string name, int index, int hidden, int pooled, int layers)
    {
        using OnnxTextEncoder encoder = Loading.TextEncoder(Folders.Generator(Loading.Tiny(name)), index);
        Assert.Equal(hidden, encoder.HiddenSize);
        TextEncoding encoding = encoder.Encode(Loading.Ids(77), TestContext.Current.CancellationToken);
        Assert.Equal(77 * hidden, encoding.LastHiddenState.Length);
        Assert.Equal(pooled, encoding.Pooled.Length);
        Assert.Equal(layers, encoding.HiddenStates.Count);
        Assert.All(encoding.HiddenStates, state => Assert.Equal(77 * hidden, state.Length));
        Assert.All(encoding.LastHiddenState.ToArray(), value => Assert.True(float.IsFinite(value)));

        // The list goes from the embeddings to the last layer, whose norm is the last hidden state: the last but one differs from it.
        if (layers > 0)
        {
            Assert.True(Loading.WorstDifference(encoding.HiddenStates[^2].Span, encoding.HiddenStates[^1].Span) > 1e-3f);
            Assert.True(Loading.WorstDifference(encoding.HiddenStates[0].Span, encoding.HiddenStates[1].Span) > 1e-3f);
        }
    }

    [Fact]
    public void Inputs_that_some_exports_add_are_fed()
    {
        using ModelCopy copy = new();

        // last_hidden_state = (ids + mask + positions), widened to 2.
        new TinyGraph()
            .Input("input_ids", TinyGraph.Int64, "b", "s")
            .Input("attention_mask", TinyGraph.Int64, "b", "s")
            .Input("position_ids", TinyGraph.Int64, 1, "s")
            .Input("output_hidden_states", 9)
            .Output("last_hidden_state", TinyGraph.Float, "b", "s", 2)
            .Weight("axes", TinyGraph.Int64, [2, 0, 0, 0, 0, 0, 0, 0], 1)
            .Weight("ones", TinyGraph.Float, [0, 0, 128, 63, 0, 0, 128, 63], 1, 1, 2)
            .Node("Add", ["input_ids", "attention_mask"], "a")
            .Node("Add", ["a", "position_ids"], "c")
            .Node("Cast", ["c"], "f", attribute: TinyGraph.To(TinyGraph.Float))
            .Node("Unsqueeze", ["f", "axes"], "u")
            .Node("Mul", ["u", "ones"], "last_hidden_state")
            .Write(copy.PathOf("m.onnx"));
        using OnnxTextEncoder encoder = new(Loading.Session(copy.PathOf("m.onnx")), Describe(2));
        Assert.Equal([6, 6, 8, 8, 10, 10], encoder.Encode([5, 6, 7], TestContext.Current.CancellationToken).LastHiddenState.ToArray());
    }

    [Fact]
    public void A_graph_of_another_width_is_named()
    {
        GeneratorFolder folder = Folders.Generator(Loading.Tiny("sd1-tiny-random"));
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() =>
            new OnnxTextEncoder(Loading.Session(folder.PathOf("text_encoder/model.onnx")), Describe(48)));
        Assert.Contains("32 wide", exception.Message, StringComparison.Ordinal);
        Assert.Contains("hidden_size 48", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Sessions_of_one_shape_each_give_what_one_for_all_gives()
    {
        GeneratorFolder folder = Folders.Generator(Loading.Tiny("sd1-tiny-random"));
        OnnxSession shapes = OnnxSession.Load(
            GraphSource.OfFile(folder.PathOf("text_encoder/model.onnx")),
            "cpu",
            Loading.Environment,
            fixShapes: true);
        using OnnxTextEncoder each = new(shapes, folder.TextEncoders[0]),
            all = Loading.TextEncoder(folder);
        foreach (int length in new[] { 77, 20, 77 })
        {
            Assert.InRange(
                Loading.WorstDifference(
                    all.Encode(Loading.Ids(length), CancellationToken.None).LastHiddenState.Span,
                    each.Encode(Loading.Ids(length), CancellationToken.None).LastHiddenState.Span),
                0,
                1e-5f);
        }

        Assert.Equal(2, shapes.Shapes);
    }

    [Fact]
    public void A_cancelled_token_ends_it()
    {
        using OnnxTextEncoder encoder = Loading.TextEncoder(Folders.Generator(Loading.Tiny("sd1-tiny-random")));
        Assert.Throws<OperationCanceledException>(() => encoder.Encode(Loading.Ids(77), new CancellationToken(canceled: true)));
        Assert.Equal(77 * 32, encoder.Encode(Loading.Ids(77), CancellationToken.None).LastHiddenState.Length);
    }

    private static TextEncoderFolder Describe(int width) =>
        new()
        {
            Graph = "text_encoder/model.onnx",
            ConfigPath = "text_encoder/config.json",
            TokenizerPath = "tokenizer",
            HiddenSize = width,
            TokenLimit = 77,
        };
}
