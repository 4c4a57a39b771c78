using DiffusionClip.Conditioning;
using DiffusionClip.Models;
using DiffusionClip.Models.Graphs;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

public sealed class ClipSkipTests
{
    /// <summary>
    /// The layer norm read from a graph and applied to the hidden state before it is what the graph itself makes of it, whatever the
    /// exporter: weights in the graph, beside it, or in half precision.
    /// </summary>
    [Theory]
    [InlineData("sd1-tiny-random", 0, 1e-5)]
    [InlineData("sd2-tiny-random", 0, 1e-5)]
    [InlineData("sdxl-tiny-random", 0, 1e-5)]
    [InlineData("sdxl-tiny-random", 1, 1e-5)]
    [InlineData("sd1-tiny-random-int64", 0, 1e-5)]
    [InlineData("sd1-tiny-random-external", 0, 1e-5)]
    [InlineData("sd1-tiny-random-fp16", 0, 1e-2)]
    [InlineData("emoji-sd", 0, 1e-5)]
    public void The_final_layer_norm_is_found_in_the_graph(string name, int index, double tolerance)
    {
        GeneratorFolder folder = Folders.Generator(name == "emoji-sd" ? Loading.Embedded(name) : Loading.Tiny(name));
        using OnnxTextEncoder encoder = Loading.TextEncoder(folder, index);
        int limit = folder.TextEncoders[index].TokenLimit;
        int[] ids = name == "emoji-sd" ? [.. Enumerable.Range(1, limit)] : Loading.Ids(limit);
        TextEncoding encoding = encoder.Encode(ids, TestContext.Current.CancellationToken);
        ReadOnlyMemory<float> raw = ClipSkip.Raw(folder, folder.TextEncoders[index], 0)(encoding);
        ReadOnlyMemory<float> normalized = ClipSkip.Normalized(folder, folder.TextEncoders[index], encoder, 0)(encoding);
        Assert.InRange(Loading.WorstDifference(encoding.LastHiddenState.Span, normalized.Span), 0, tolerance);
        Assert.True(Loading.WorstDifference(encoding.LastHiddenState.Span, raw.Span) > 1e-3);
    }

    [Fact]
    public void A_graph_without_hidden_states_says_so()
    {
        GeneratorFolder folder = Folders.Generator(Loading.Tiny("sd1-tiny-random-older"));
        using OnnxTextEncoder encoder = Loading.TextEncoder(folder);
        TextEncoding encoding = encoder.Encode(Loading.Ids(77), TestContext.Current.CancellationToken);
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() =>
            ClipSkip.Normalized(folder, folder.TextEncoders[0], encoder, 1)(encoding));
        Assert.Contains("hidden states", exception.Message, StringComparison.Ordinal);
        Assert.Equal(folder.PathOf(folder.TextEncoders[0].Graph), exception.Path);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Older_operator_sets_end_in_a_multiplication_and_an_addition(bool weightFirst)
    {
        using ModelCopy copy = new();
        string path = copy.PathOf("m.onnx");
        Graph()
            .Node("Mul", weightFirst ? ["w", "x"] : ["x", "w"], "s")
            .Node("Add", weightFirst ? ["b", "s"] : ["s", "b"], "y")
            .Node("Identity", ["y"], "last_hidden_state")
            .Write(path);
        (float[] weight, float[] bias) = FinalLayerNorm.Read(path, "last_hidden_state");
        Assert.Equal([1, 2], weight);
        Assert.Equal([-1, 0.5f], bias);
    }

    [Fact]
    public void A_graph_without_a_layer_norm_is_refused()
    {
        using ModelCopy copy = new();
        string path = copy.PathOf("m.onnx");
        Graph().Node("Mul", ["x", "w"], "last_hidden_state").Write(path);
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() => FinalLayerNorm.Read(path, "last_hidden_state"));
        Assert.Contains("layer norm", exception.Message, StringComparison.Ordinal);
    }

    private static TinyGraph Graph() => new TinyGraph()
        .Input("x", TinyGraph.Float, 1, 1, 2)
        .Output("last_hidden_state", TinyGraph.Float, 1, 1, 2)
        .Weight("w", TinyGraph.Float, [.. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(2f)], 2)
        .Weight("b", TinyGraph.Float, [.. BitConverter.GetBytes(-1f), .. BitConverter.GetBytes(0.5f)], 2);
}
