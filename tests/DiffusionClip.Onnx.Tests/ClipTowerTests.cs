using DiffusionClip.Models;
using DiffusionClip.Runtime;

namespace DiffusionClip.Onnx;

public sealed class ClipTowerTests
{
    private const int Side = 32;

    [Fact]
    public async Task The_joint_graph_gives_what_the_towers_give()
    {
        using ModelCopy joint = new(Loading.Tiny("clip-tiny-random"));
        File.Delete(joint.PathOf("onnx/text_model.onnx"));
        File.Delete(joint.PathOf("onnx/vision_model.onnx"));
        using OnnxModelStore store = new(new(), Loading.Loaders);
        using ClipLease split = await store.LeaseAsync<ClipLease>(
            new() { Folder = ClipFolder.Open(Loading.Tiny("clip-tiny-random")), Provider = "cpu" },
            TestContext.Current.CancellationToken);
        using ClipLease both = await store.LeaseAsync<ClipLease>(
            new() { Folder = ClipFolder.Open(joint.Path), Provider = "cpu" },
            TestContext.Current.CancellationToken);
        Assert.True(both.Folder.IsJoint);

        ReadOnlyMemory<float> text = split.TextEncoder.Encode(Loading.Ids(77), CancellationToken.None);
        ReadOnlyMemory<float> jointText = both.TextEncoder.Encode(Loading.Ids(77), CancellationToken.None);
        Assert.Equal(24, text.Length);
        Assert.Equal(1, Loading.Cosine(text.Span, jointText.Span), 1e-5f);

        float[] pixels = Loading.Numbers(3 * 3 * Side * Side);
        ReadOnlyMemory<float> images = split.ImageEncoder.Encode(pixels, 3, Side, Side, CancellationToken.None);
        ReadOnlyMemory<float> jointImages = both.ImageEncoder.Encode(pixels, 3, Side, Side, CancellationToken.None);
        Assert.Equal(72, images.Length);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(1, Loading.Cosine(images.Span.Slice(24 * i, 24), jointImages.Span.Slice(24 * i, 24)), 1e-5f);
        }
    }

    [Theory]
    [InlineData("clip-tiny-random", 32)]
    [InlineData("clip-tiny-random-textual-visual", 48)]
    public async Task Rows_of_a_batch_are_the_pictures_alone(string name, int side)
    {
        using OnnxModelStore store = new(new(), Loading.Loaders);
        using ClipLease lease = await store.LeaseAsync<ClipLease>(
            new() { Folder = ClipFolder.Open(Loading.Tiny(name)) },
            TestContext.Current.CancellationToken);
        Assert.Equal(24, lease.TextEncoder.Encode(Loading.Ids(77), CancellationToken.None).Length);
        int length = 3 * side * side;
        float[] pixels = Loading.Numbers(5 * length);
        ReadOnlyMemory<float> batch = lease.ImageEncoder.Encode(pixels, 5, side, side, CancellationToken.None);
        for (int i = 0; i < 5; i++)
        {
            ReadOnlyMemory<float> alone = lease.ImageEncoder.Encode(
                pixels.AsSpan(i * length, length),
                1,
                side,
                side,
                CancellationToken.None);
            Assert.InRange(Loading.WorstDifference(batch.Span.Slice(24 * i, 24), alone.Span), 0, 1e-4f);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_fixed_batch_is_respected(int fixedRows)
    {
        using ModelCopy copy = new(Loading.Tiny("clip-tiny-random"));

        // Embeddings are the first 24 red values of a picture.
        new TinyGraph()
            .Input("pixel_values", TinyGraph.Float, fixedRows, 3, Side, Side)
            .Output("image_embeds", TinyGraph.Float, fixedRows, 24)
            .Weight("shape", TinyGraph.Int64, Longs(fixedRows, 3 * Side * Side), 2)
            .Weight("from", TinyGraph.Int64, Longs(0), 1)
            .Weight("to", TinyGraph.Int64, Longs(24), 1)
            .Weight("axis", TinyGraph.Int64, Longs(1), 1)
            .Node("Reshape", ["pixel_values", "shape"], "flat")
            .Node("Slice", ["flat", "from", "to", "axis"], "image_embeds")
            .Write(copy.PathOf("onnx/vision_model.onnx"));
        using OnnxClipImageEncoder encoder = new(Loading.Session(copy.PathOf("onnx/vision_model.onnx")), ClipFolder.Open(copy.Path));
        float[] pixels = Loading.Numbers(3 * 3 * Side * Side);
        ReadOnlyMemory<float> embeds = encoder.Encode(pixels, 3, Side, Side, CancellationToken.None);
        Assert.Equal(72, embeds.Length);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(pixels.AsSpan(i * 3 * Side * Side, 24).ToArray(), embeds.Slice(24 * i, 24).ToArray());
        }
    }

    [Fact]
    public async Task Graphs_that_do_not_fit_their_folder_are_named()
    {
        using OnnxModelStore store = new(new(), Loading.Loaders);
        using (ModelCopy copy = new(Loading.Tiny("clip-tiny-random")))
        {
            copy.Set("preprocessor_config.json", "crop_size", 48);
            ModelFolderException exception = await Assert.ThrowsAsync<ModelFolderException>(() =>
                store.LeaseAsync<ClipLease>(new() { Folder = ClipFolder.Open(copy.Path) }, CancellationToken.None));
            Assert.Contains("takes pictures of 32x32", exception.Message, StringComparison.Ordinal);
        }

        using (ModelCopy copy = new(Loading.Tiny("clip-tiny-random")))
        {
            copy.Set("config.json", "projection_dim", 512);
            ModelFolderException exception = await Assert.ThrowsAsync<ModelFolderException>(() =>
                store.LeaseAsync<ClipLease>(new() { Folder = ClipFolder.Open(copy.Path) }, CancellationToken.None));
            Assert.Contains("config.json says 512", exception.Message, StringComparison.Ordinal);
        }

        using (ModelCopy copy = new(Loading.Tiny("clip-tiny-random")))
        {
            File.Copy(copy.PathOf("onnx/vision_model.onnx"), copy.PathOf("onnx/text_model.onnx"), overwrite: true);
            ModelFolderException exception = await Assert.ThrowsAsync<ModelFolderException>(() =>
                store.LeaseAsync<ClipLease>(new() { Folder = ClipFolder.Open(copy.Path) }, CancellationToken.None));
            Assert.Contains("no input for input_ids", exception.Message, StringComparison.Ordinal);
            Assert.Contains("found inputs pixel_values", exception.Message, StringComparison.Ordinal);
        }

        Assert.Equal(0, store.Loaded);
    }

    [Fact]
    public void Logits_are_what_the_joint_graph_does()
    {
        ClipFolder folder = ClipFolder.Open(Loading.Tiny("clip-tiny-random"));
        Assert.Equal("onnx/model.onnx", folder.JointGraph);
        using OnnxSession joint = Loading.Session(folder.PathOf(folder.JointGraph!));
        ClipLogits logits = OnnxClipLogits.Measure(joint, folder);
        Assert.Equal(folder.Logits!.Scale, logits.Scale, 1e-2f);
        Assert.Equal(0, logits.Bias);
    }

    [Fact]
    public async Task A_SigLIP_without_scale_and_bias_is_measured_or_refused()
    {
        using OnnxModelStore store = new(new(), Loading.Loaders);
        using ModelCopy copy = new(Loading.Tiny("siglip-tiny-random"));
        copy.Set("config.json", "logit_scale", null);
        ModelFolderException exception = await Assert.ThrowsAsync<ModelFolderException>(() =>
            store.LeaseAsync<ClipLease>(new() { Folder = ClipFolder.Open(copy.Path), Provider = "cpu" }, CancellationToken.None));
        Assert.Contains("logit_scale and logit_bias are missing", exception.Message, StringComparison.Ordinal);

        // A joint graph whose embeddings are values of the picture and positions of the text, with logits 7 · cosine - 2.
        const int width = 3 * Side * Side;
        new TinyGraph()
            .Input("pixel_values", TinyGraph.Float, 1, 3, Side, Side)
            .Input("input_ids", TinyGraph.Int64, 1, 64)
            .Output("logits_per_image", TinyGraph.Float, 1, 1)
            .Output("image_embeds", TinyGraph.Float, 1, 24)
            .Output("text_embeds", TinyGraph.Float, 1, 24)
            .Weight("shape", TinyGraph.Int64, Longs(1, width), 2)
            .Weight("from", TinyGraph.Int64, Longs(0), 1)
            .Weight("to", TinyGraph.Int64, Longs(24), 1)
            .Weight("axis", TinyGraph.Int64, Longs(1), 1)
            .Weight("scale", TinyGraph.Float, BitConverter.GetBytes(7f), 1)
            .Weight("bias", TinyGraph.Float, BitConverter.GetBytes(-2f), 1)
            .Node("Reshape", ["pixel_values", "shape"], "flat")
            .Node("Slice", ["flat", "from", "to", "axis"], "image_embeds")
            .Node("Cast", ["input_ids"], "numbers", attribute: TinyGraph.To(TinyGraph.Float))
            .Node("Slice", ["numbers", "from", "to", "axis"], "text_embeds")
            .Node("Mul", ["image_embeds", "text_embeds"], "products")
            .Node("ReduceSum", ["products", "axis"], "dot")
            .Node("Mul", ["image_embeds", "image_embeds"], "image2")
            .Node("ReduceSum", ["image2", "axis"], "imageSum")
            .Node("Sqrt", ["imageSum"], "imageNorm")
            .Node("Mul", ["text_embeds", "text_embeds"], "text2")
            .Node("ReduceSum", ["text2", "axis"], "textSum")
            .Node("Sqrt", ["textSum"], "textNorm")
            .Node("Mul", ["imageNorm", "textNorm"], "norms")
            .Node("Div", ["dot", "norms"], "cosine")
            .Node("Mul", ["cosine", "scale"], "scaled")
            .Node("Add", ["scaled", "bias"], "logits_per_image")
            .Write(copy.PathOf("onnx/model.onnx"));
        using ClipLease lease = await store.LeaseAsync<ClipLease>(
            new() { Folder = ClipFolder.Open(copy.Path), Provider = "cpu" },
            TestContext.Current.CancellationToken);
        Assert.Equal(7, lease.Logits.Scale, 1e-3f);
        Assert.Equal(-2, lease.Logits.Bias, 1e-3f);
    }

    private static byte[] Longs(params long[] values) => System.Runtime.InteropServices.MemoryMarshal.AsBytes<long>(values).ToArray();
}
